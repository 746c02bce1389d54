"""The kernel's table of connections: forgetting UDP flows whose translation is out of date.

The kernel translates a flow as its first packet was, for as long as packets keep coming. A client that
never pauses would go on talking to a container that is gone.
"""

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from pier.linux import netlink
from pier.linux.netlink import ACK, DUMP, Message, NetlinkSocket, attribute, attributes

_GET: Final = 1 << 8 | 1
_DELETE: Final = 1 << 8 | 2
_FAMILY: Final = struct.pack(">BBH", socket.AF_INET, 0, 0)
_ORIGINAL: Final = 1
_REPLY: Final = 2
_ID: Final = 12
_IP: Final = 1
_SOURCE: Final = 1
_DESTINATION: Final = 2
_PROTOCOL: Final = 2
_NUMBER: Final = 1
_DESTINATION_PORT: Final = 3
_NESTED: Final = 0x8000


@dataclass(frozen=True, slots=True)
class Flow:
    """A UDP flow: where its client sends to, and the address that answers."""

    address: str
    port: int
    answered_by: str


def forget_udp(unwanted: Callable[[Flow], bool]) -> int:
    """Delete the flows that are ``unwanted`` in this network namespace; how many there were. Reads the whole table."""
    with NetlinkSocket(netlink.NETFILTER) as sock:
        bodies = [body for flow, body in _udp_flows(sock) if unwanted(flow)]
        for body in bodies:
            try:
                sock.batch([Message(_DELETE, ACK, body)])
            except OSError as error:
                if error.errno != errno.ENOENT:  # it ended by itself
                    raise
    return len(bodies)


def _udp_flows(sock: NetlinkSocket) -> Iterator[tuple[Flow, bytes]]:
    """Each flow with the request body that names it."""
    for part in sock.dump(Message(_GET, DUMP, _FAMILY)):
        said = attributes(part.body[4:])
        original, reply = attributes(said.get(_ORIGINAL, b"")), attributes(said.get(_REPLY, b""))
        protocol = attributes(original.get(_PROTOCOL, b""))
        if protocol.get(_NUMBER) != bytes([socket.IPPROTO_UDP]) or _ID not in said:
            continue
        flow = Flow(
            _address(original, _DESTINATION),
            int.from_bytes(protocol.get(_DESTINATION_PORT, b""), "big"),
            _address(reply, _SOURCE),
        )
        yield flow, _FAMILY + attribute(_ORIGINAL | _NESTED, said[_ORIGINAL]) + attribute(_ID, said[_ID])


def _address(end: dict[int, bytes], side: int) -> str:
    return socket.inet_ntoa(attributes(end.get(_IP, b"")).get(side, b"\0\0\0\0"))
