"""A client's SSH agent for a step: a socket on this host, whose connections are carried to the client."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from pier.errors import PierError

CHUNK: Final = 32 << 10

Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def agent_socket(run: Path, carry: Carry) -> AsyncIterator[Path]:
    """Yield the path of a socket below ``run``; ``carry`` takes each connection to it, until the block ends."""
    folder = run / "ssh"
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    path = folder / os.urandom(8).hex()
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        try:
            with suppress(PierError, ConnectionError):
                await carry(reader, writer)
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
