"""A host in miniature: a test runs in a network and mount namespace of its own, with an internet beyond its eth0.

::

    @on_a_host
    async def test_reaches_out(host: Host) -> None:
        async with host.echo(host.internet, 80):
            assert await host.ask(sandbox, INTERNET_ADDRESS, 80) == HOST_ADDRESS

The decorated test starts a child process that makes the namespaces and runs the coroutine; whatever
the test leaves behind ends with the child. The machine's own links, rules and settings are never touched.
"""

import asyncio
import importlib.util
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pier.linux import links, namespaces, process
from pier.linux.libc import check, libc
from pier.linux.netlink import NetlinkSocket

HOST_ADDRESS: Final = "203.0.113.2"
INTERNET_ADDRESS: Final = "203.0.113.1"
_CLONE_NEWNS: Final = 0x20000
_CLONE_NEWNET: Final = 0x40000000
_MS_PRIVATE_REC: Final = 0x44000
_DEADLINE: Final = 120.0
_T = TypeVar("_T")

scenarios: Final[dict[str, Callable[["Host"], Awaitable[None]]]] = {}
"""What :func:`on_a_host` has decorated, by name."""


class Host:
    """The miniature host. ``internet`` is the namespace beyond eth0; the host itself is ``None``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.internet = folder / "internet"

    async def run_in(self, place: Path | None, work: Callable[[], _T]) -> _T:
        """Call ``work`` in a thread, inside the namespace at ``place``."""
        return await asyncio.to_thread(_call_in, place, work)

    async def socket_in(self, place: Path | None, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A non-blocking IPv4 socket of the namespace at ``place``, to be used from anywhere."""
        sock = await self.run_in(place, lambda: socket.socket(socket.AF_INET, kind))
        sock.setblocking(False)
        return sock

    @asynccontextmanager
    async def echo(self, place: Path | None, port: int, kind: int = socket.SOCK_STREAM) -> AsyncIterator[None]:
        """A server on all addresses of ``place`` that tells each client the address that it came from."""
        sock = await self.socket_in(place, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", port))
        if kind == socket.SOCK_DGRAM:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_UdpEcho, sock=sock)
            try:
                yield
            finally:
                transport.close()
            return
        server = await asyncio.start_server(_tell_origin, sock=sock)
        try:
            yield
        finally:
            server.close()

    async def ask(
        self, place: Path | None, address: str, port: int, kind: int = socket.SOCK_STREAM, timeout: float = 20.0
    ) -> str:
        """What the echo at ``address`` says to a client in ``place``: OSError refused, TimeoutError unheard."""
        loop = asyncio.get_running_loop()
        sock = await self.socket_in(place, kind)
        with sock:
            async with asyncio.timeout(timeout):
                await loop.sock_connect(sock, (address, port))
                await loop.sock_sendall(sock, b"who am I\n")
                return (await loop.sock_recv(sock, 100)).decode()


def on_a_host(scenario: Callable[[Host], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine function that takes a :class:`Host`."""

    # functools.wraps would show pytest the parameter, which it would look for among its fixtures.
    def test() -> None:
        code = sys.modules[scenario.__module__].__file__
        assert code is not None
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        child = process.run_sync(
            [sys.executable, "-m", "pier.testing.netns", code, scenario.__name__], env=environment, timeout=_DEADLINE
        )
        assert child.returncode == 0, f"\n{child.stdout.decode()}\n{child.stderr.decode()}"

    test.__name__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    scenarios[scenario.__name__] = scenario
    return test


def _main(code: str, name: str) -> int:
    spec = importlib.util.spec_from_file_location("scenario", code)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from pier.testing.netns import scenarios as registered  # this module runs as __main__: the test filled its twin

    scenario = registered[name]
    check(libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS))
    check(libc.mount(None, b"/", None, _MS_PRIVATE_REC, None))
    with tempfile.TemporaryDirectory(prefix="pier-host-") as folder:
        try:
            asyncio.run(_play(scenario, Host(Path(folder))))
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            namespaces.unpin(Path(folder) / "internet")
            for left in (Path(folder) / "run" / "netns").glob("*"):
                namespaces.unpin(left)
    return 0


async def _play(scenario: Callable[[Host], Awaitable[None]], host: Host) -> None:
    await asyncio.to_thread(_wire, host)
    async with asyncio.timeout(_DEADLINE - 5):
        await scenario(host)


def _wire(host: Host) -> None:
    """eth0 of the host and eth0 of the internet are the two ends of a pair; the default route leads there."""
    namespaces.pin_new(host.internet)
    with links.open_route_socket() as sock:
        sock.batch([links.set_up()])
        with namespaces.inside(host.internet) as namespace:
            pair = links.Veth("eth0", 0, 1400, "eth0", "02:00:00:00:00:01", namespace)
            sock.batch([links.new_veth(pair)])
            inner = links.open_route_socket()
        _configure(sock, HOST_ADDRESS)
        sock.batch([links.add_default_route(INTERNET_ADDRESS)])
        with inner:
            inner.batch([links.set_up()])
            _configure(inner, INTERNET_ADDRESS)


def _configure(sock: NetlinkSocket, address: str) -> None:
    link = links.find_link(sock, "eth0")
    assert link is not None
    sock.batch([links.add_address(link.index, address, 24), links.set_up(link.index)])


def _call_in(place: Path | None, work: Callable[[], _T]) -> _T:
    if place is None:
        return work()
    with namespaces.inside(place):
        return work()


async def _tell_origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(writer.get_extra_info("peername")[0].encode())
    await writer.drain()
    writer.close()


class _UdpEcho(asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._transport.sendto(addr[0].encode(), addr)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2]))
