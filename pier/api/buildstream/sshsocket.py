"""The client's SSH agent for a step: a socket here, each connection to it a channel of the build's."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from pier.api.buildstream.link import Channel, Link
from pier.errors import NotFound, PierError

_CHUNK: Final = 32 << 10


@asynccontextmanager
async def forwarded(link: Link, run: Path, id: str, offered: bool) -> AsyncIterator[Path]:
    """Yield a socket that leads to the agent ``id``. Raises NotFound where the client has none of that name."""
    if not offered:
        raise NotFound(f"unset ssh forward key {id}")
    folder = run / "ssh"
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    path = folder / os.urandom(8).hex()
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        try:
            with suppress(PierError, ConnectionError), link.open() as channel:
                await channel.ask("ssh", id=id)
                await _carry(channel, reader, writer)
        finally:
            carrying.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(accept, path)
    path.chmod(0o600)
    try:
        yield path
    finally:
        server.close()
        for task in list(carrying):
            task.cancel()
        if carrying:
            await asyncio.wait(carrying)
        path.unlink(missing_ok=True)


async def _carry(channel: Channel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def send() -> None:
        while data := await reader.read(_CHUNK):
            await channel.send(data)
        await channel.close()

    sending = asyncio.ensure_future(send())
    try:
        async for data in channel.data():
            writer.write(data)
            await writer.drain()
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        with suppress(PierError):
            await channel.close()
