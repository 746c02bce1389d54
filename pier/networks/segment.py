"""A bridge in the kernel with its ports and rules. Synchronous; all calls from one thread, never the event loop's."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Final

import msgspec

from pier.errors import Conflict, Internal
from pier.linux import conntrack, links, namespaces, nftables, sysctl
from pier.linux.netlink import NetlinkSocket
from pier.log import Logger
from pier.networks import coexistence, firewall, ipam
from pier.networks.network import Endpoint, Network

_log = Logger("pier.networks")
_ALIAS: Final = "pier:"
_DEFAULT_MTU: Final = 1500
PEER: Final = "eth0"


def settle(sock: NetlinkSocket, network: Network) -> Network:
    """Decide subnet and MTU by what the host has now: see :meth:`pier.networks.driver.Driver.settle`."""
    link = links.find_link(sock, network.bridge)
    mtu = network.mtu or _egress_mtu(sock)
    if link is not None and not link.alias.startswith(_ALIAS):
        gateway = _address_of(sock, link)
    else:
        own = link.index if link is not None else -1
        gateway = _own_gateway(network, list(_taken(sock, own)))
    return msgspec.structs.replace(network, subnet=str(gateway.network), gateway=str(gateway.ip), mtu=mtu)


class Segment:
    """The bridge of one network. ``resolver`` tells the host's loopback resolver (see ``resolv``), if it has one."""

    def __init__(self, sock: NetlinkSocket, network: Network, resolver: Callable[[], str]) -> None:
        self._sock = sock
        self._network = network
        self._resolver = resolver
        self._index = 0
        self._made: firewall.Plan | None = None
        self._endpoints: dict[str, Endpoint] = {}

    @property
    def table(self) -> str:
        return firewall.table_name(self._network.bridge)

    def exists(self) -> bool:
        """Whether the kernel has our bridge, perhaps from a former run."""
        link = links.find_link(self._sock, self._network.bridge)
        return link is not None and link.alias == self._alias

    def bring_up(self, endpoints: Iterable[Endpoint] = ()) -> None:
        """Make the bridge and its rules, or mend them; ``endpoints`` are alive already."""
        self._endpoints = {endpoint.id: endpoint for endpoint in endpoints}
        made = links.find_link(self._sock, self._network.bridge) is None
        try:
            self._index = self._make_bridge() if made else self._adopt_bridge()
            sysctl.write("net/ipv4/ip_forward", "1")
            sysctl.write(f"net/ipv4/conf/{self._network.bridge}/route_localnet", "1")
            self.rebuild()
        except BaseException:
            self._index = 0
            if made:
                self.take_down()
            raise

    @property
    def up(self) -> bool:
        return self._index != 0

    def rebuild(self) -> None:
        """Replace all rules by what they should be."""
        plan = self._plan()
        nftables.apply(firewall.ruleset(plan, list(self._endpoints.values())))
        self._made = plan
        coexistence.permit(self._network.bridge)

    def be_permitted(self) -> None:
        """Another firewall has changed: see to it that it drops nothing of ours, nor opens what it had closed."""
        if self._plan() != self._made:
            self.rebuild()
        else:
            coexistence.permit(self._network.bridge)

    def attach(self, endpoint: Endpoint, sandbox: Path) -> None:
        """Make the pair, give it its address, publish its ports; nothing is left of a failure."""
        try:
            self._connect(endpoint, sandbox)
            self._endpoints[endpoint.id] = endpoint
            self._open(endpoint)
        except BaseException:
            self.detach(endpoint)
            self.reap([endpoint])
            raise

    def forget(self, endpoint: Endpoint) -> Endpoint | None:
        """No longer think of it when rules are made. (For endpoints without ports, this is all; any thread.)"""
        return self._endpoints.pop(endpoint.id, None)

    def detach(self, endpoint: Endpoint) -> None:
        """Take back the published ports."""
        known = self.forget(endpoint)
        if known is None or not known.ports:
            return
        try:
            nftables.apply(firewall.publishing(self._network.bridge, known, "delete"))
        except Internal:
            self.rebuild()  # somebody else had changed our table
        _forget_flows(known, lambda flow: flow.answered_by == known.address)

    def reap(self, endpoints: Iterable[Endpoint]) -> None:
        """Delete interfaces; each takes the kernel some 25 ms."""
        for endpoint in endpoints:
            link = links.find_link(self._sock, endpoint.interface)
            if link is not None:
                self._delete(link)

    def strays(self, known: Iterable[Endpoint]) -> list[links.Link]:
        """Pairs on our bridge that belong to none of the ``known`` endpoints."""
        bridge = links.find_link(self._sock, self._network.bridge)
        names = {endpoint.interface for endpoint in known}
        if bridge is None:
            return []
        ports = [link for link in links.links(self._sock) if link.master == bridge.index and link.kind == "veth"]
        return [link for link in ports if link.name not in names]

    def remove_strays(self, known: Iterable[Endpoint]) -> None:
        """Delete what :meth:`strays` finds."""
        for link in self.strays(known):
            _log.warning("removing an interface that belongs to no container", interface=link.name)
            self._delete(link)

    def take_down(self) -> None:
        """Leave no rule, and no bridge if we made it. Idempotent."""
        self._index = 0
        coexistence.forbid(self._network.bridge)
        nftables.apply(firewall.removal(self._network.bridge))
        link = links.find_link(self._sock, self._network.bridge)
        if link is not None and link.alias == self._alias:
            self._sock.batch([links.delete_link(link.index)])

    def verify(self, endpoints: Sequence[Endpoint]) -> list[str]:
        """See :meth:`pier.networks.driver.Driver.verify`; ``endpoints`` may include those being removed."""
        bridge = self._network.bridge
        found = [f"interface {link.name} on {bridge} belongs to no container" for link in self.strays(endpoints)]
        names = {link.name for link in links.links(self._sock)}
        found += [
            f"interface {endpoint.interface} of container {endpoint.container_id[:12]} is missing"
            for endpoint in self._endpoints.values()
            if endpoint.interface not in names
        ]
        if self._endpoints and not any(_names_table(entry, self.table) for entry in nftables.query("list tables ip")):
            found.append(f"nftables table {self.table} is missing")
        return found

    @property
    def _alias(self) -> str:
        return f"{_ALIAS}{self._network.id}"

    def _plan(self) -> firewall.Plan:
        network = self._network
        return firewall.Plan(
            bridge=network.bridge,
            subnet=network.subnet,
            gateway=network.gateway,
            internal=network.internal,
            resolver=self._resolver(),
            engines=coexistence.engine_bridges(),
        )

    def _make_bridge(self) -> int:
        name = self._network.bridge
        self._sock.batch([links.new_bridge(name, f"02:42:{secrets.token_hex(4)}", self._network.mtu)])
        link = links.find_link(self._sock, name)
        assert link is not None
        self._sock.batch([links.set_alias(link.index, self._alias)])
        _switch_off_ipv6(name)
        self._furnish(link.index)
        for endpoint in self._endpoints.values():  # the bridge was deleted under running containers
            port = links.find_link(self._sock, endpoint.interface)
            if port is not None:
                self._sock.batch([links.set_master(port.index, link.index), links.set_up(port.index)])
        return link.index

    def _adopt_bridge(self) -> int:
        name = self._network.bridge
        link = links.find_link(self._sock, name)
        assert link is not None
        if link.kind != "bridge":
            raise Conflict(f"interface {name} exists and is no bridge: choose another with --bridge")
        if link.alias.startswith(_ALIAS) and link.alias != self._alias:
            raise Conflict(
                f"bridge {name} belongs to another pierd, or was left by one: "
                f"choose another with --bridge, or remove it with: ip link delete {name}"
            )
        if link.alias == self._alias:
            self._furnish(link.index)
        return link.index

    def _furnish(self, index: int) -> None:
        """Our address and no other, and up; the bridge may have either already, or one of former settings."""
        wanted = IPv4Interface(f"{self._network.gateway}/{IPv4Network(self._network.subnet).prefixlen}")
        present = [interface for owner, interface in links.addresses(self._sock) if owner == index]
        messages = [
            links.delete_address(index, str(other.ip), other.network.prefixlen) for other in present if other != wanted
        ]
        if wanted not in present:
            messages.append(links.add_address(index, str(wanted.ip), wanted.network.prefixlen))
        self._sock.batch([*messages, links.set_up(index)])

    def _connect(self, endpoint: Endpoint, sandbox: Path) -> None:
        with namespaces.inside(sandbox) as namespace:
            pair = links.Veth(
                name=endpoint.interface,
                master=self._index,
                mtu=self._network.mtu,
                peer=PEER,
                mac=endpoint.mac,
                netns=namespace,
            )
            self._sock.batch([links.new_veth(pair), links.set_hairpin(pair.name)])
            inner = links.open_route_socket()
        with inner:
            peer = links.find_link(inner, PEER)
            assert peer is not None
            messages = [links.add_address(peer.index, endpoint.address, endpoint.prefix_len), links.set_up(peer.index)]
            if endpoint.gateway:
                messages.append(links.add_default_route(endpoint.gateway))
            inner.batch(messages)

    def _open(self, endpoint: Endpoint) -> None:
        if self._made is None or self._resolver() != self._made.resolver:
            self.rebuild()
        elif endpoint.ports:
            self._publish(endpoint)
        _forget_flows(endpoint, lambda flow: firewall.is_stale(flow, endpoint))

    def _publish(self, endpoint: Endpoint) -> None:
        try:
            nftables.apply(firewall.publishing(self._network.bridge, endpoint))
        except Internal:
            self.rebuild()  # the table was flushed, or holds what a killed daemon left

    def _delete(self, link: links.Link) -> None:
        try:
            self._sock.batch([links.delete_link(link.index)])
        except OSError as error:
            if links.find_link(self._sock, link.name) is not None:
                raise Internal(f"cannot delete interface {link.name}: {error.strerror}") from error


def _forget_flows(endpoint: Endpoint, unwanted: Callable[[conntrack.Flow], bool]) -> None:
    if any(port.protocol == "udp" for port in endpoint.ports):
        conntrack.forget_udp(unwanted)


def _own_gateway(network: Network, taken: list[IPv4Network]) -> IPv4Interface:
    if network.fixed:
        return IPv4Interface(f"{network.gateway}/{IPv4Network(network.subnet).prefixlen}")
    if network.subnet and not any(IPv4Network(network.subnet).overlaps(other) for other in taken):
        return IPv4Interface(f"{network.gateway}/{IPv4Network(network.subnet).prefixlen}")
    return ipam.pick_subnet(taken)


def _address_of(sock: NetlinkSocket, link: links.Link) -> IPv4Interface:
    for index, interface in links.addresses(sock):
        if index == link.index:
            return interface
    raise Conflict(f"bridge {link.name} has no IPv4 address: give it one, or let pierd make its own")


def _taken(sock: NetlinkSocket, own_index: int) -> Iterable[IPv4Network]:
    """What the host's routes and interfaces occupy, without our own bridge and default routes."""
    for destination, index in links.routes(sock):
        if index != own_index and destination.prefixlen > 1:
            yield destination
    for index, interface in links.addresses(sock):
        if index != own_index:
            yield interface.network


def _egress_mtu(sock: NetlinkSocket) -> int:
    outward = {index for destination, index in links.routes(sock) if destination.prefixlen == 0}
    return min((link.mtu for link in links.links(sock) if link.index in outward), default=_DEFAULT_MTU)


def _switch_off_ipv6(bridge: str) -> None:
    try:
        sysctl.write(f"net/ipv6/conf/{bridge}/disable_ipv6", "1")
    except FileNotFoundError:
        return  # a kernel without IPv6


def _names_table(entry: dict[str, dict[str, str]], name: str) -> bool:
    return entry.get("table", {}).get("name") == name
