"""Networks: the service that containers and the API call."""

import asyncio
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import msgspec

from pier.errors import InvalidArgument, NotFound, PierError
from pier.log import Logger
from pier.networks import ipam, resolv, sandboxes
from pier.networks.bridge import BridgeDriver
from pier.networks.driver import Driver
from pier.networks.network import BRIDGE, HOST, NULL, Endpoint, Network, PortRequest
from pier.networks.plain import PlainDriver
from pier.networks.ports import HostPorts
from pier.networks.reaper import Reaper
from pier.networks.store import NetworkStore

_log = Logger("pier.networks")


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the daemon's flags say. ``bip``: the bridge's own address in CIDR form, empty: pick a free pool.

    ``run`` is the daemon's exec root; sandboxes are pinned below ``run/netns``.
    """

    run: Path
    bridge: str = "pier0"
    bip: str = ""
    mtu: int = 0
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()


class Networks:
    """All methods are for the event loop's thread. ``start`` comes first, ``recover`` second."""

    def __init__(self, store: NetworkStore, settings: NetworkSettings) -> None:
        self._store = store
        self._settings = settings
        self._folder = settings.run / "netns"
        self._networks: dict[str, Network] = {}
        self._live: dict[str, Endpoint] = {}
        self._leases: dict[str, ipam.Leases] = {}
        self._ports = HostPorts()
        self._settling = asyncio.Lock()
        self._bridge = BridgeDriver(_host_loopback_resolver)
        self._drivers: dict[str, Driver] = {BRIDGE: self._bridge, HOST: PlainDriver(), NULL: PlainDriver()}
        self._reaper = Reaper(self._destroy, self._forget)

    async def start(self) -> None:
        """Load; make sure that ``bridge``, ``host`` and ``none`` exist. Touches no kernel object."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stored = {network.name: network for network in self._store.networks()}
        for default in self._defaults(stored):
            if stored.get(default.name) != default:
                self._store.put_network(default)
            stored[default.name] = default
        self._networks = {network.id: network for network in stored.values()}

    async def recover(self, live: Mapping[str, Collection[str]]) -> None:
        """After a start: ``live`` maps the running containers' IDs to the IDs of their endpoints.

        Their ports are held again and their rules mended; every endpoint, interface and sandbox
        that is not among them is removed.
        """
        dead = [endpoint for endpoint in self._store.endpoints() if not self._readopt(endpoint, live)]
        interfaces = await self._bridge.interfaces()
        self._forget([endpoint for endpoint in dead if endpoint.interface not in interfaces])
        for endpoint in dead:
            if endpoint.interface in interfaces:
                self._reaper.add(endpoint)
        await self._bridge.run(self._remove_sandboxes, frozenset(live))
        await self._reaper.finished()
        for network in self._networks.values():
            await self._driver(network).adopt(network, self.endpoints(network.id))

    async def close(self) -> None:
        """Finish what is being removed. With no endpoint left, bridge and rules go too; else all stays."""
        await self._reaper.drain()
        for network in self._networks.values():
            if not self.endpoints(network.id):
                await self._driver(network).release(network)
        self._ports.release(self._ports.held)
        self._reaper.close()
        self._bridge.close()

    def list(self) -> Sequence[Network]:
        return tuple(self._networks.values())

    def find(self, reference: str) -> Network:
        """By name, ID or unambiguous ID prefix. NotFound: ``network x not found``."""
        by_id = self._networks.get(reference)
        named = by_id or next((network for network in self._networks.values() if network.name == reference), None)
        if named is not None:
            return named
        found = [network for id, network in self._networks.items() if reference and id.startswith(reference)]
        if len(found) > 1:
            raise InvalidArgument(f"network {reference} is ambiguous ({len(found)} matches found based on ID prefix)")
        if not found:
            raise NotFound(f"network {reference} not found")
        return found[0]

    async def settled(self, reference: str) -> Network:
        """Find a network, its subnet and gateway chosen for good. Raises NotFound, Conflict as :meth:`find`."""
        network = self.find(reference)
        return await self._settle(network) if network.driver == "bridge" else network

    def endpoints(self, network_id: str) -> Sequence[Endpoint]:
        """The live endpoints of a network."""
        return tuple(endpoint for endpoint in self._live.values() if endpoint.network_id == network_id)

    async def create_sandbox(self, container_id: str, owner: Path | None = None) -> Path:
        """A new network namespace with its loopback up, pinned at ``run/netns/<container_id>``.

        ``owner`` is the pinned user namespace that it is to belong to, if not the daemon's.
        """
        return await self._bridge.run(sandboxes.create, self._folder, container_id, owner)

    async def remove_sandbox(self, container_id: str) -> None:
        """Unpin it; the kernel ends it with its last process. Idempotent."""
        await self._bridge.run(sandboxes.remove, self._folder, container_id)

    async def connect(
        self,
        container_id: str,
        sandbox: Path | None,
        network: Network,
        ports: Sequence[PortRequest] = (),
        *,
        name: str = "",
        mac: str = "",
        address: str = "",
    ) -> Endpoint:
        """Put the container on ``network``: all of it, or an error and nothing left behind.

        ``name`` is the container's, for messages. ``sandbox`` may be None for the ``host`` network
        only. On ``host`` and ``none`` the endpoint has no address and ``ports`` are ignored, as
        Docker does. Raises Docker's ``driver failed programming external connectivity on endpoint
        NAME (ID): Bind for 0.0.0.0:8080 failed: port is already allocated``; NoSpace where the
        subnet is full.
        """
        endpoint = Endpoint(
            id=secrets.token_hex(32),
            network_id=network.id,
            network_name=network.name,
            container_id=container_id,
            container_name=name,
            sandbox="" if sandbox is None else str(sandbox),
        )
        if network.driver in (HOST, NULL) or sandbox is None:
            return self._record(endpoint)
        network = await self._settle(network)
        endpoint = self._furnish(endpoint, network, ports, mac, address)
        await self._attach(network, endpoint, sandbox)
        return endpoint

    async def disconnect(self, endpoint: Endpoint) -> None:
        """Rules and host ports are gone on return; interface and address follow. Idempotent."""
        known = self._live.pop(endpoint.id, None)
        if known is None:
            return
        try:
            network = self._networks[known.network_id]
            await asyncio.shield(self._driver(network).detach(network, known))
        finally:
            self._ports.release(known.ports)
            self._reaper.add(known)

    def resolv_conf(
        self,
        network: Network,
        *,
        dns: Sequence[str] = (),
        search: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> str:
        """The text of ``/etc/resolv.conf`` for a container of ``network`` (blocks under 1 ms).

        What is given replaces the daemon's settings, and these the host's own.
        """
        own = self._settings
        dns, search, options = dns or own.dns, search or own.dns_search, options or own.dns_options
        if network.driver == HOST and not (dns or search or options):
            return _text_of(resolv.HOST_FILE)
        host, resolved = _host_resolvers()
        gateway = self._networks[network.id].gateway
        return resolv.for_container(host, resolved, gateway, dns=dns, search=search, options=options)

    async def verify(self) -> Sequence[str]:
        """What fsck reports: one sentence for each thing that is left over or missing."""
        known = [*self._live.values(), *self._reaper.waiting]
        found: list[str] = []
        for network in self._networks.values():
            mine = [endpoint for endpoint in known if endpoint.network_id == network.id]
            found += await self._driver(network).verify(network, mine)
        containers = {endpoint.container_id for endpoint in known}
        pinned = await self._bridge.run(sandboxes.existing, self._folder)
        found += [f"sandbox of container {id[:12]} belongs to no container" for id in pinned if id not in containers]
        return found

    def _defaults(self, stored: Mapping[str, Network]) -> tuple[Network, ...]:
        in_use = {endpoint.network_id for endpoint in self._store.endpoints()}
        bridge = stored.get("bridge") or _new_network("bridge", BRIDGE)
        if bridge.id not in in_use:  # with containers on it, it stays as it is
            bridge = _as_set(bridge, self._settings)
        host = stored.get("host") or _new_network("host", HOST)
        none = stored.get("none") or _new_network("none", NULL)
        return bridge, host, none

    def _driver(self, network: Network) -> Driver:
        return self._drivers[network.driver]

    def _readopt(self, endpoint: Endpoint, live: Mapping[str, Collection[str]]) -> bool:
        """Take a stored endpoint back where its container lives; False where it does not."""
        network = self._networks.get(endpoint.network_id)
        if network is None or endpoint.id not in live.get(endpoint.container_id, ()):
            return False
        self._live[endpoint.id] = endpoint
        if endpoint.address:
            self._leases_of(network).take(endpoint.address)
        for binding in self._ports.hold(endpoint.ports):
            _log.warning("a published port is held by another program", port=binding, container=endpoint.container_id)
        return True

    def _remove_sandboxes(self, live: frozenset[str]) -> None:
        for container_id in sandboxes.existing(self._folder):
            if container_id not in live:
                sandboxes.remove(self._folder, container_id)

    async def _settle(self, network: Network) -> Network:
        """The network with a subnet that clashes with nothing, once in a daemon's life."""
        async with self._settling:
            if network.id not in self._leases:
                settled = await self._driver(network).settle(self._networks[network.id])
                self._store.put_network(settled)
                self._networks[network.id] = settled
                self._leases_of(settled)
        return self._networks[network.id]

    def _leases_of(self, network: Network) -> ipam.Leases:
        if network.id not in self._leases:
            prefix_len = IPv4Network(network.subnet).prefixlen
            self._leases[network.id] = ipam.Leases(IPv4Interface(f"{network.gateway}/{prefix_len}"))
        return self._leases[network.id]

    def _furnish(
        self, endpoint: Endpoint, network: Network, ports: Sequence[PortRequest], mac: str, address: str
    ) -> Endpoint:
        """Lease an address and hold the ports: both or neither."""
        leases = self._leases_of(network)
        leased = leases.take(address)
        try:
            bindings = self._ports.publish(ports)
        except PierError as error:
            leases.give_back(leased)
            raise type(error)(
                f"driver failed programming external connectivity on endpoint"
                f" {endpoint.container_name} ({endpoint.id}): {error}"
            ) from error
        return msgspec.structs.replace(
            endpoint,
            address=leased,
            prefix_len=leases.subnet.prefixlen,
            gateway="" if network.internal else network.gateway,
            mac=mac or ipam.mac_for(leased),
            interface=f"veth{endpoint.id[:10]}",
            ports=bindings,
        )

    async def _attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        """Also where the caller goes away meanwhile: the driver's work ends, then it is undone."""
        self._record(endpoint)
        attaching = asyncio.ensure_future(self._driver(network).attach(network, endpoint, sandbox))
        try:
            await asyncio.shield(attaching)
        except BaseException:
            await asyncio.wait([attaching])
            await self.disconnect(endpoint)
            raise

    def _record(self, endpoint: Endpoint) -> Endpoint:
        self._store.put_endpoint(endpoint)
        self._live[endpoint.id] = endpoint
        return endpoint

    async def _destroy(self, endpoints: Sequence[Endpoint]) -> None:
        for network in self._networks.values():
            mine = [endpoint for endpoint in endpoints if endpoint.network_id == network.id]
            if mine:
                await self._driver(network).reap(network, mine)

    def _forget(self, endpoints: Sequence[Endpoint]) -> None:
        """Nothing of them is left in the kernel: end their leases, and their rows."""
        for endpoint in endpoints:
            leases = self._leases.get(endpoint.network_id)
            if leases is not None and endpoint.address:
                leases.give_back(endpoint.address)
        self._store.delete_endpoints([endpoint.id for endpoint in endpoints])


def _new_network(name: str, driver: str) -> Network:
    created = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime()) + f"{time.time_ns() % 1_000_000_000:09d}Z"
    return Network(id=secrets.token_hex(32), name=name, driver=driver, created=created)


def _as_set(network: Network, settings: NetworkSettings) -> Network:
    """The default bridge as the daemon's flags want it."""
    changed: dict[str, object] = {"bridge": settings.bridge, "mtu": settings.mtu}
    if settings.bip:
        gateway = ipam.parse_bip(settings.bip)
        changed |= {"subnet": str(gateway.network), "gateway": str(gateway.ip), "fixed": True}
    elif network.fixed:
        changed |= {"subnet": "", "gateway": "", "fixed": False}
    return msgspec.structs.replace(network, **changed)


def _host_resolvers() -> tuple[resolv.Resolvers, resolv.Resolvers]:
    """What the host asks, and what systemd-resolved asks for it."""
    return resolv.parse(_text_of(resolv.HOST_FILE)), resolv.parse(_text_of(resolv.RESOLVED_FILE))


def _host_loopback_resolver() -> str:
    return resolv.loopback_resolver(*_host_resolvers())


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
