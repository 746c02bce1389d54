"""Host ports: chosen, and held by a socket for as long as they are published.

The socket carries no traffic, for connections are redirected before they reach it. It is there so
that every other program, and every other engine, finds the port in use, and that we find theirs.
"""

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Final

import msgspec

from pier.errors import Internal, InvalidArgument, Unsupported
from pier.linux import sysctl
from pier.networks.network import PortBinding, PortRequest

ANY: Final = "0.0.0.0"
_KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_EPHEMERAL: Final = (32768, 60999)


class PortInUse(Internal):
    """The host's port has an owner. (Docker answers 500 to it.)"""


class HostPorts:
    """The ports that this daemon holds. Calls take some 20 µs a port and do not block."""

    def __init__(self) -> None:
        self._held: dict[PortBinding, socket.socket] = {}
        self._owned: set[tuple[str, str, int]] = set()
        self._next_ephemeral = 0

    def publish(self, requests: Sequence[PortRequest]) -> tuple[PortBinding, ...]:
        """Choose and hold a port for each request: all of them, or none and PortInUse, in Docker's words."""
        got: list[PortBinding] = []
        try:
            for request in _for_ipv4(requests):
                got.append(self._publish(request))
        except BaseException:
            self.release(got)
            raise
        return tuple(got)

    def hold(self, bindings: Iterable[PortBinding]) -> list[PortBinding]:
        """Hold again what was published before a restart; those that another program has taken meanwhile."""
        lost = []
        for binding in bindings:
            try:
                self._hold(binding)
            except PortInUse:
                lost.append(binding)
        return lost

    def release(self, bindings: Iterable[PortBinding]) -> None:
        """Let go of ports; of ports that are not held, nothing."""
        for binding in bindings:
            held = self._held.pop(binding, None)
            if held is not None:
                held.close()
                self._owned.discard(_owner_key(binding))

    @property
    def held(self) -> frozenset[PortBinding]:
        return frozenset(self._held)

    def _publish(self, request: PortRequest) -> PortBinding:
        if request.protocol not in _KINDS:
            raise Unsupported(f"publishing {request.protocol} ports is not supported")
        if request.host_port == 0:
            return self._first_free(request, self._ephemeral(), "all ports are allocated")
        last = max(request.host_port, request.host_port_end)
        if last == request.host_port:
            binding = _binding(request, request.host_port)
            self._hold(binding)
            return binding
        span = f"{request.host_port}-{last}"
        return self._first_free(
            request,
            range(request.host_port, last + 1),
            f"Bind for {request.host_ip or ANY}:{span} failed: port is already allocated",
        )

    def _first_free(self, request: PortRequest, numbers: Iterable[int], none_left: str) -> PortBinding:
        for number in numbers:
            binding = _binding(request, number)
            try:
                self._hold(binding)
            except PortInUse:
                continue
            return binding
        raise PortInUse(none_left)

    def _hold(self, binding: PortBinding) -> None:
        where = f"{binding.host_ip}:{binding.host_port}"
        if self._conflicts(binding):
            raise PortInUse(f"Bind for {where} failed: port is already allocated")
        try:
            self._held[binding] = _bind(binding)
        except OSError as error:
            said = os.strerror(error.errno or errno.EIO).lower()
            kind = PortInUse if error.errno == errno.EADDRINUSE else Internal
            raise kind(f"failed to bind host port {where}/{binding.protocol}: {said}") from error
        self._owned.add(_owner_key(binding))

    def _conflicts(self, binding: PortBinding) -> bool:
        """Whether one of our own has the port: on the same address, or either of them on all."""
        protocol, address, number = _owner_key(binding)
        if address != ANY:
            return bool({(protocol, address, number), (protocol, ANY, number)} & self._owned)
        return any(owned[0] == protocol and owned[2] == number for owned in self._owned)

    def _ephemeral(self) -> Iterator[int]:
        """Each port of the host's ephemeral range once, beginning after the one that was given last."""
        first, last = _ephemeral_range()
        count = last - first + 1
        start = self._next_ephemeral
        for step in range(count):
            offset = (start + step) % count
            self._next_ephemeral = offset + 1
            yield first + offset


def _for_ipv4(requests: Sequence[PortRequest]) -> list[PortRequest]:
    """``::`` is all addresses, as ``0.0.0.0`` is: clients that give both mean one. Other IPv6 is refused."""
    found: list[PortRequest] = []
    for request in requests:
        if request.host_ip == "::":
            request = msgspec.structs.replace(request, host_ip=ANY)
            if any(
                msgspec.structs.replace(other, host_ip=ANY) == request
                for other in requests
                if other.host_ip in ("", ANY)
            ):
                continue
        try:
            if request.host_ip:
                IPv4Address(request.host_ip)
        except ValueError as error:
            kind = Unsupported if ":" in request.host_ip else InvalidArgument
            raise kind(f"cannot publish a port on {request.host_ip}: not an IPv4 address of this host") from error
        found.append(request)
    return found


def _binding(request: PortRequest, number: int) -> PortBinding:
    return PortBinding(request.container_port, request.protocol, request.host_ip or ANY, number)


def _owner_key(binding: PortBinding) -> tuple[str, str, int]:
    return binding.protocol, binding.host_ip, binding.host_port


def _ephemeral_range() -> tuple[int, int]:
    try:
        first, last = sysctl.read("net/ipv4/ip_local_port_range").split()
    except OSError:
        return _EPHEMERAL
    return int(first), int(last)


def _bind(binding: PortBinding) -> socket.socket:
    """A socket that makes every other ``bind`` of the port fail, and that nobody can connect to."""
    sock = socket.socket(socket.AF_INET, _KINDS[binding.protocol] | socket.SOCK_CLOEXEC)
    try:
        if binding.protocol == "tcp":
            _occupy_tcp(sock, (binding.host_ip, binding.host_port))
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            sock.bind((binding.host_ip, binding.host_port))
    except BaseException:
        sock.close()
        raise
    return sock


def _occupy_tcp(sock: socket.socket, address: tuple[str, int]) -> None:
    """Bind for good without listening for good.

    SO_REUSEADDR gets past connections in TIME_WAIT that a server has left on the port. But the kernel
    then lets others with SO_REUSEADDR share it, until somebody has listened. After ``shutdown`` the
    port stays bound, nobody can share it, and a connection that no rule redirects is refused
    instead of hanging in a queue that nobody accepts.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(1)
    sock.shutdown(socket.SHUT_RDWR)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
