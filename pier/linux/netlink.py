"""Netlink, spoken directly (netlink(7), RFC 3549): messages, attributes, acknowledged batches.

A batch of requests is one ``sendmsg`` and comes back as one acknowledgement a request. Nothing here
knows a family: links and routes are in ``links.py``, set elements in ``nftables.py``.
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

ROUTE: Final = 0
NETFILTER: Final = 12

REQUEST: Final = 0x1
ACK: Final = 0x4
EXCL: Final = 0x200
CREATE: Final = 0x400
DUMP: Final = 0x300

_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ERROR: Final = struct.Struct("=i")

_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_CAP_ACK: Final = 10
_EXT_ACK: Final = 11
_ACK_TLVS: Final = 0x200
_ERRMSG_TEXT: Final = 1


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer; ``body`` begins with the family's own header."""

    type: int
    flags: int
    body: bytes


def attribute(kind: int, value: bytes | str | int) -> bytes:
    """One attribute, padded; an ``int`` is an unsigned 32-bit one, a ``str`` ends in a NUL."""
    if isinstance(value, int):
        value = struct.pack("=I", value)
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute of attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def attributes(data: bytes) -> dict[int, bytes]:
    """What ``data`` holds, by kind (the last one of a kind wins); nonsense lengths end the walk."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > len(data):
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def text(value: bytes) -> str:
    """A string attribute without its NUL."""
    return value.rstrip(b"\0").decode(errors="replace")


class NetlinkSocket:
    """A netlink socket of the network namespace in which it was opened. Not thread-safe. Blocking."""

    def __init__(self, protocol: int, groups: Sequence[int] = ()) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._sequence = 0
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def batch(self, messages: Sequence[Message]) -> None:
        """Send all in one go and wait for every acknowledgement; the first refusal is raised as OSError.

        The kernel handles a batch in order and goes on after a refusal.
        """
        if not messages:
            return
        first = self._sequence + 1
        expected = {first + number for number, message in enumerate(messages) if message.flags & ACK}
        self._send(messages)
        refusal: OSError | None = None
        while expected:
            for sequence, error in self._acknowledgements():
                if error is not None and sequence >= first and sequence not in expected:
                    raise error  # of an envelope (BATCH_BEGIN): nothing more is answered
                expected.discard(sequence)
                refusal = refusal or error
        if refusal is not None:
            raise refusal

    def dump(self, message: Message) -> Iterator[Message]:
        """Ask for a list and yield its parts; exhaust it before the next request."""
        self._send([message])
        while True:
            for sequence, part in _split(self._socket.recv(1 << 17)):
                if sequence != self._sequence:
                    continue
                if part.type == _NLMSG_DONE:
                    return
                if part.type == _NLMSG_ERROR:
                    error = _refusal(part.body, part.flags)
                    if error is None:
                        return
                    raise error
                yield part

    def get(self, message: Message) -> Message:
        """Ask for one thing (a request without ACK): the answer, or OSError."""
        self._send([message])
        while True:
            for sequence, part in _split(self._socket.recv(1 << 17)):
                if sequence != self._sequence:
                    continue
                error = _refusal(part.body, part.flags) if part.type == _NLMSG_ERROR else None
                if error is not None:
                    raise error
                return part

    def drain(self) -> list[Message]:
        """What has arrived for a subscriber. OSError ENOBUFS: the kernel dropped some."""
        found: list[Message] = []
        while True:
            try:
                data = self._socket.recv(1 << 17, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            found += [message for _, message in _split(data)]

    def _send(self, messages: Sequence[Message]) -> None:
        parts: list[bytes] = []
        for message in messages:
            self._sequence += 1
            parts.append(_HEADER.pack(len(message.body) + 16, message.type, message.flags | REQUEST, self._sequence, 0))
            parts.append(message.body)
        self._socket.sendto(b"".join(parts), (0, 0))

    def _acknowledgements(self) -> list[tuple[int, OSError | None]]:
        parts = _split(self._socket.recv(1 << 17))
        return [(sequence, _refusal(part.body, part.flags)) for sequence, part in parts if part.type == _NLMSG_ERROR]


def _split(data: bytes) -> Iterator[tuple[int, Message]]:
    offset = 0
    while offset + 16 <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < 16:
            return
        yield sequence, Message(kind, flags, data[offset + 16 : offset + length])
        offset += (length + 3) & ~3


def _refusal(body: bytes, flags: int) -> OSError | None:
    """The error in an acknowledgement, with the kernel's own words where it says any; None is success."""
    number = -_ERROR.unpack_from(body)[0]
    if number == 0:
        return None
    said = attributes(body[20:]).get(_ERRMSG_TEXT) if flags & _ACK_TLVS else None
    return OSError(number, f"{os.strerror(number)}: {text(said)}" if said else os.strerror(number))
