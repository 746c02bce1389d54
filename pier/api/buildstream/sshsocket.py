"""The client's SSH agent for a step: a socket here, each connection to it a channel of the build's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pier.api.agentsocket import CHUNK, agent_socket
from pier.api.buildstream.link import Channel, Link
from pier.errors import NotFound, PierError


@asynccontextmanager
async def forwarded(link: Link, run: Path, id: str, offered: bool) -> AsyncIterator[Path]:
    """Yield a socket that leads to the agent ``id``. Raises NotFound where the client has none of that name."""
    if not offered:
        raise NotFound(f"unset ssh forward key {id}")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with link.open() as channel:
            await channel.ask("ssh", id=id)
            await _carry(channel, reader, writer)

    async with agent_socket(run, carry) as path:
        yield path


async def _carry(channel: Channel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def send() -> None:
        while data := await reader.read(CHUNK):
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
