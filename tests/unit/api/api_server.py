"""The HTTP side alone: a server on a unix socket around handlers of the test's own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import failure
from pier.api.routing import Handler, Version
from pier.api.server import Connection, Server
from pier.api.services import Services
from pier.api.status import status_of
from pier.errors import PierError

HEADERS = {"Api-Version": "1.51", "Server": "Pier/test (linux)"}
SERVICES = cast(Services, SimpleNamespace(system=SimpleNamespace(headers=lambda: HEADERS)))


@asynccontextmanager
async def serving(handler: Handler, version: Version = (1, 51), services: Services = SERVICES) -> AsyncIterator[Path]:
    """Answer every request with ``handler``; yields the socket's path."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(Connection, request.protocol)
        try:
            return cast(
                web.StreamResponse, await handler(Call(request, services, version, {"name": "x"}, connection.on_lost))
            )
        except PierError as error:
            return failure(status_of(error), error.message)
        finally:
            connection.answered()

    server = Server(handle, access_log=None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s")
        accepting = await asyncio.get_running_loop().create_unix_server(cast(Callable[[], Any], server), str(path))
        try:
            yield path
        finally:
            accepting.close()
            await server.shutdown(1)


async def exchange(path: Path, *sent: bytes, half_close: bool = True) -> bytes:
    """Send everything, then (with ``half_close``) say so, and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        for data in sent:
            writer.write(data)
            await writer.drain()
        if half_close:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def request(method: str, target: str, body: bytes = b"", /, **headers: str) -> bytes:
    """The bytes of one HTTP/1.1 request; header names have ``_`` for ``-``."""
    lines = [f"{method} {target} HTTP/1.1", "Host: d"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
