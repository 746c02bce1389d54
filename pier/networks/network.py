"""Networks and what hangs on them (contract): the values.

A *network* is where containers meet: a bridge with a subnet, the host's own stack, or nothing. A
*sandbox* is the network namespace of one container, pinned at a path. An *endpoint* is one
container's place on one network: interface, leased address, published ports. The lifecycle::

    sandbox  = await networks.create_sandbox(container_id)
    endpoint = await networks.connect(container_id, sandbox, network, ports, name=...)
    ... the container runs in the sandbox ...
    await networks.disconnect(endpoint)          # rules and ports are gone on return
    await networks.remove_sandbox(container_id)  # interface and address follow in the background

An endpoint's row in the store is written before anything of it exists in the kernel and deleted
after all of it is gone: the row is its journal. Values are frozen; a change makes a new value.
"""

import msgspec

BRIDGE = "bridge"
HOST = "host"
NULL = "null"


class PortRequest(msgspec.Struct, frozen=True):
    """What the user asks: ``-p host_ip:host_port[-host_port_end]:container_port/protocol``.

    ``host_port`` 0 means any free port of the ephemeral range. ``host_port_end`` above
    ``host_port`` means the first free port of that closed range. An empty ``host_ip`` means all
    IPv4 addresses of the host.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0


class PortBinding(msgspec.Struct, frozen=True):
    """What was given: exact numbers; ``host_ip`` is ``0.0.0.0`` where the user named none."""

    container_port: int
    protocol: str
    host_ip: str
    host_port: int


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A network. ``driver`` is ``bridge``, ``host`` or ``null``; ``created`` is RFC 3339 in UTC.

    ``subnet`` is in CIDR form (``172.18.0.0/24``), ``gateway`` a bare address; both are empty
    for ``host`` and ``null``, and for a bridge until its first start has picked them. ``fixed``
    says that the user chose the subnet: it is then never picked anew.
    """

    id: str
    name: str
    driver: str
    created: str
    scope: str = "local"
    bridge: str = ""
    subnet: str = ""
    gateway: str = ""
    fixed: bool = False
    mtu: int = 0
    internal: bool = False
    ipv6: bool = False
    options: dict[str, str] = {}
    labels: dict[str, str] = {}

    @property
    def predefined(self) -> bool:
        """One of the three that always exist and cannot be removed."""
        return self.name in ("bridge", "host", "none")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One container's place on one network; addresses are empty on ``host`` and ``none``.

    ``interface`` is the host's side of the pair, ``sandbox`` the path of the pinned namespace.
    """

    id: str
    network_id: str
    network_name: str
    container_id: str
    container_name: str = ""
    address: str = ""
    prefix_len: int = 0
    gateway: str = ""
    mac: str = ""
    interface: str = ""
    sandbox: str = ""
    ports: tuple[PortBinding, ...] = ()
