"""Reading a child's pipes on the loop."""

import asyncio
import os
from collections.abc import AsyncGenerator

_CHUNK = 256 * 1024


class Reader:
    """Our end of a new pipe; ``theirs`` is for a child's stream, and is to be closed when the child has it."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._ours, False)

    def close_theirs(self) -> None:
        """Idempotent."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What is written, until nobody can write any more; then the pipe is closed."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    data = os.read(self._ours, _CHUNK)
                except BlockingIOError:
                    await self._readable(loop)
                    continue
                if not data:
                    return
                yield data
        finally:
            os.close(self._ours)

    async def lines(self) -> AsyncGenerator[str, None]:
        """The same as text, by lines."""
        rest = b""
        async for data in self.chunks():
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    async def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._ours, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_reader(self._ours)
