"""A gRPC client of an engine, over a connection that was upgraded as buildx does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from grpclib.client import Channel
from grpclib.protocol import H2Protocol

UPGRADE = "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n{headers}\r\n"


class Upgraded(Channel):
    """``early``: bytes that follow the request in the same packet; what answers must not lose them."""

    def __init__(self, socket: Path) -> None:
        super().__init__()
        self._socket = socket

    async def _create_connection(self) -> H2Protocol:
        loop = asyncio.get_running_loop()
        protocol = self._protocol_factory()
        _, starting = await loop.create_unix_connection(lambda: _Starting(protocol), str(self._socket))
        await starting.answered.wait()
        return protocol


class _Starting(asyncio.Protocol):
    """Sends the request together with the first bytes of HTTP/2, and hands over after the answer's head."""

    def __init__(self, protocol: H2Protocol) -> None:
        self._protocol = protocol
        self._head: bytes | None = b""
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(UPGRADE.format(path="/grpc", protocol="h2c", headers="").encode())
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self._protocol.data_received(data)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._head = None
            self.answered.set()
            if rest:
                self._protocol.data_received(rest)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.answered.set()
        self._protocol.connection_lost(exc)


@asynccontextmanager
async def channel(socket: Path) -> AsyncIterator[Channel]:
    made = Upgraded(socket)
    try:
        yield made
    finally:
        made.close()


async def raw(socket: Path, request: str, data: bytes = b"") -> bytes:
    """Send a request and what follows, say that no more comes, and return all that is answered."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(request.encode() + data)
    writer.write_eof()
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()
