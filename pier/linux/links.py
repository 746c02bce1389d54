"""Links, addresses and routes of IPv4 over rtnetlink(7)."""

import ipaddress
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pier.linux import netlink
from pier.linux.netlink import ACK, CREATE, DUMP, EXCL, Message, NetlinkSocket, attribute, attributes, nested, text

_NEWLINK: Final = 16
_DELLINK: Final = 17
_GETLINK: Final = 18
_SETLINK: Final = 19
_NEWADDR: Final = 20
_DELADDR: Final = 21
_GETADDR: Final = 22
_NEWROUTE: Final = 24
_GETROUTE: Final = 26

_IFINFO: Final = struct.Struct("=BxHiII")
_IFADDR: Final = struct.Struct("=BBBBi")
_RTMSG: Final = struct.Struct("=BBBBBBBBI")

_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_IFALIAS: Final = 20
_IFLA_NET_NS_FD: Final = 28
_INFO_KIND: Final = 1
_INFO_DATA: Final = 2
_INFO_SLAVE_KIND: Final = 4
_INFO_SLAVE_DATA: Final = 5
_VETH_INFO_PEER: Final = 1
_BRPORT_MODE: Final = 4

_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFA_BROADCAST: Final = 4
_RTA_DST: Final = 1
_RTA_OIF: Final = 4
_RTA_GATEWAY: Final = 5

_IFF_UP: Final = 1
_LOOPBACK_INDEX: Final = 1
_GROUP_LINK: Final = 1
_TABLE_MAIN: Final = 254
_PROTO_BOOT: Final = 3
_TYPE_UNICAST: Final = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. ``master`` is the index of its bridge or 0, ``kind`` ``veth``, ``bridge``, ... or empty."""

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    master: int
    up: bool
    alias: str


@dataclass(frozen=True, slots=True)
class Veth:
    """A pair: ``name`` here on the bridge ``master``, ``peer`` with ``mac`` inside the namespace ``netns``."""

    name: str
    master: int
    mtu: int
    peer: str
    mac: str
    netns: int


def open_route_socket() -> NetlinkSocket:
    """A socket for all functions of this module, of the calling thread's network namespace."""
    return NetlinkSocket(netlink.ROUTE)


def open_monitor() -> NetlinkSocket:
    """A socket that hears of every change of a link in this network namespace."""
    return NetlinkSocket(netlink.ROUTE, groups=[_GROUP_LINK])


def deleted(messages: Sequence[Message]) -> list[str]:
    """Names of the links whose end a monitor heard of."""
    ends = [part.body for part in messages if part.type == _DELLINK]
    # A bridge says in its own family that a port left it; the link itself may live on.
    return [_link(body).name for body in ends if body[0] == socket.AF_UNSPEC]


def new_veth(veth: Veth) -> Message:
    """Make the pair, enslave and bring up one end, move the other (which cannot be up yet), in one request."""
    peer = (
        _IFINFO.pack(0, 0, 0, 0, 0)
        + attribute(_IFLA_IFNAME, veth.peer)
        + attribute(_IFLA_MTU, veth.mtu)
        + attribute(_IFLA_ADDRESS, _mac_bytes(veth.mac))
        + attribute(_IFLA_NET_NS_FD, veth.netns)
    )
    info = attribute(_INFO_KIND, b"veth") + nested(_INFO_DATA, attribute(_VETH_INFO_PEER | 0x8000, peer))
    body = _up() + attribute(_IFLA_IFNAME, veth.name) + attribute(_IFLA_MTU, veth.mtu)
    body += attribute(_IFLA_MASTER, veth.master) + nested(_IFLA_LINKINFO, info)
    return Message(_NEWLINK, ACK | CREATE | EXCL, body)


def new_bridge(name: str, mac: str, mtu: int) -> Message:
    """Make a bridge, down. A fixed ``mac`` keeps it from taking over that of each new port."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name) + attribute(_IFLA_MTU, mtu)
    body += attribute(_IFLA_ADDRESS, _mac_bytes(mac))
    return Message(_NEWLINK, ACK | CREATE | EXCL, body + nested(_IFLA_LINKINFO, attribute(_INFO_KIND, b"bridge")))


def set_up(index: int = _LOOPBACK_INDEX) -> Message:
    """Bring a link up; of itself the loopback."""
    return Message(_SETLINK, ACK, _up(index))


def set_alias(index: int, alias: str) -> Message:
    """Set the free text that ``ip link`` shows."""
    return Message(_SETLINK, ACK, _IFINFO.pack(0, 0, index, 0, 0) + attribute(_IFLA_IFALIAS, alias.encode()))


def set_master(index: int, master: int) -> Message:
    """Make a link a port of the bridge ``master``, or with 0 of none."""
    return Message(_SETLINK, ACK, _IFINFO.pack(0, 0, index, 0, 0) + attribute(_IFLA_MASTER, master))


def set_hairpin(name: str) -> Message:
    """Let a bridge's port send back out what came in by it: a container that calls its own published port."""
    data = nested(_INFO_SLAVE_DATA, attribute(_BRPORT_MODE, b"\1"))
    info = nested(_IFLA_LINKINFO, attribute(_INFO_SLAVE_KIND, b"bridge"), data)
    return Message(_NEWLINK, ACK, _IFINFO.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name) + info)


def delete_link(index: int) -> Message:
    """Remove a link (and its veth peer). Takes the kernel 10 to 45 ms."""
    return Message(_DELLINK, ACK, _IFINFO.pack(0, 0, index, 0, 0))


def add_address(index: int, address: str, prefix_len: int) -> Message:
    """Give a link an IPv4 address, with the subnet's broadcast address."""
    interface = ipaddress.IPv4Interface(f"{address}/{prefix_len}")
    packed = interface.ip.packed
    body = _IFADDR.pack(socket.AF_INET, prefix_len, 0, 0, index)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    body += attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
    return Message(_NEWADDR, ACK | CREATE | EXCL, body)


def delete_address(index: int, address: str, prefix_len: int) -> Message:
    """Take an IPv4 address from a link."""
    body = _IFADDR.pack(socket.AF_INET, prefix_len, 0, 0, index)
    return Message(_DELADDR, ACK, body + attribute(_IFA_LOCAL, socket.inet_aton(address)))


def add_default_route(gateway: str) -> Message:
    """The IPv4 default route by way of ``gateway``, in the main table."""
    body = _RTMSG.pack(socket.AF_INET, 0, 0, 0, _TABLE_MAIN, _PROTO_BOOT, 0, _TYPE_UNICAST, 0)
    return Message(_NEWROUTE, ACK | CREATE | EXCL, body + attribute(_RTA_GATEWAY, socket.inet_aton(gateway)))


def links(sock: NetlinkSocket) -> list[Link]:
    """All links of the socket's namespace."""
    return [_link(part.body) for part in sock.dump(Message(_GETLINK, DUMP, _IFINFO.pack(0, 0, 0, 0, 0)))]


def find_link(sock: NetlinkSocket, name: str) -> Link | None:
    """The link of that name."""
    try:
        body = _IFINFO.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name)
        return _link(sock.get(Message(_GETLINK, 0, body)).body)
    except OSError as error:
        if error.errno in _NO_SUCH_LINK:
            return None
        raise


def addresses(sock: NetlinkSocket) -> list[tuple[int, ipaddress.IPv4Interface]]:
    """All IPv4 addresses, each with its link's index."""
    found = []
    for part in sock.dump(Message(_GETADDR, DUMP, _IFADDR.pack(socket.AF_INET, 0, 0, 0, 0))):
        _, prefix_len, _, _, index = _IFADDR.unpack_from(part.body)
        local = attributes(part.body[_IFADDR.size :]).get(_IFA_LOCAL)
        if local is not None:
            found.append((index, ipaddress.IPv4Interface((local, prefix_len))))
    return found


def routes(sock: NetlinkSocket) -> list[tuple[ipaddress.IPv4Network, int]]:
    """Destination and outgoing link's index (0: none) of the unicast IPv4 routes of all tables."""
    found = []
    message = Message(_GETROUTE, DUMP, _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
    for part in sock.dump(message):
        _, dst_len, _, _, _, _, _, kind, _ = _RTMSG.unpack_from(part.body)
        if kind != _TYPE_UNICAST:
            continue
        said = attributes(part.body[_RTMSG.size :])
        out = struct.unpack("=i", said[_RTA_OIF])[0] if _RTA_OIF in said else 0
        found.append((ipaddress.IPv4Network((said.get(_RTA_DST, b"\0\0\0\0"), dst_len)), out))
    return found


_NO_SUCH_LINK: Final[Sequence[int]] = (19, 2)


def _up(index: int = 0) -> bytes:
    return _IFINFO.pack(0, 0, index, _IFF_UP, _IFF_UP)


def _mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    said = attributes(body[_IFINFO.size :])
    info = attributes(said.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=text(said.get(_IFLA_IFNAME, b"")),
        kind=text(info.get(_INFO_KIND, b"")),
        mac=said.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=_number(said, _IFLA_MTU),
        master=_number(said, _IFLA_MASTER),
        up=bool(flags & _IFF_UP),
        alias=text(said.get(_IFLA_IFALIAS, b"")),
    )


def _number(said: dict[int, bytes], kind: int) -> int:
    return int.from_bytes(said.get(kind, b""), "little")
