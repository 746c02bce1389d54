"""gRPC over a connection that HTTP has given up, in either direction."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from grpclib.client import Channel
from grpclib.protocol import H2Protocol
from grpclib.server import Server

from pier.api.buildkit.taps import Taps
from pier.api.call import Call
from pier.api.streams import hijack

logging.getLogger("grpclib").setLevel(logging.CRITICAL)  # it logs every call that its caller breaks off


class _Connection(asyncio.Protocol):
    """Between a taken connection and HTTP/2: both are told of its end, and so is who waits for it."""

    def __init__(self, protocol: H2Protocol, http: asyncio.Protocol, write: Callable[[bytes], None]) -> None:
        self._protocol = protocol
        self._http = http
        self.lost = asyncio.Event()
        self.taps = Taps(write)

    def data_received(self, data: bytes) -> None:
        rest = self.taps.sift(data) if self._protocol.h2_config.client_side else data
        if rest:
            self._protocol.data_received(rest)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.set()
        self._protocol.connection_lost(exc if isinstance(exc, Exception) else None)
        self._http.connection_lost(exc if isinstance(exc, Exception) else None)


def _go_on(call: Call, protocol: H2Protocol) -> _Connection:
    """Answer 101 and speak ``protocol`` from here on. Raises ConnectionResetError."""
    stream = hijack(call, "application/grpc")
    transport, arrived = stream.release()
    connection = _Connection(protocol, stream, transport.write)
    transport.set_protocol(connection)
    protocol.connection_made(transport)
    if arrived:
        connection.data_received(arrived)
    return connection


async def serve(call: Call, server: Server) -> None:
    """Answer the calls that come over the connection until it ends; what still runs then is cancelled."""
    protocol = server._protocol_factory()
    connection = _go_on(call, protocol)
    try:
        await connection.lost.wait()
    finally:
        protocol.processor.close()
        await protocol.handler.wait_closed()  # type: ignore[attr-defined]  # it is the server's Handler


class SessionChannel(Channel):
    """A channel over a connection that is there; when it is gone, it is gone (``lost``)."""

    taps: Taps
    lost: asyncio.Event

    async def _create_connection(self) -> H2Protocol:
        raise ConnectionResetError("the client has gone")


@asynccontextmanager
async def connect(call: Call) -> AsyncIterator[SessionChannel]:
    """Yield a channel to the services that the client offers over the connection."""
    channel = SessionChannel()
    protocol = channel._protocol_factory()
    connection = _go_on(call, protocol)
    channel._protocol = protocol
    channel.lost = connection.lost
    channel.taps = connection.taps
    try:
        yield channel
    finally:
        channel.close()
