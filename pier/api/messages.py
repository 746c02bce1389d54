"""Streams of JSON messages: pull, push, load, import and events.

One object after the other, with ``\\r\\n`` between them, chunked. An error after the first byte is a
message itself, ``{"errorDetail": {"message": ...}, "error": ...}``; before it, an ordinary error.
A client that goes away cancels the work.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import encode
from pier.errors import PierError
from pier.log import Logger

_log: Final = Logger("pier.api")
_LINE: Final = b"\r\n"

Progress = Callable[[dict[str, Any]], None]


class MessageStream:
    """A response that starts with its first message (or with :meth:`start`)."""

    def __init__(self, call: Call, content_type: str = "application/json") -> None:
        self._call = call
        self.response = web.StreamResponse(headers={"Content-Type": content_type})
        self.response.headers.update(call.services.system.headers())

    async def start(self) -> None:
        if not self.response.prepared:
            self.response.enable_chunked_encoding()
            await self.response.prepare(self._call.request)

    async def send(self, *messages: Any) -> None:
        """Send messages; waits while the client does not read. Raises ConnectionError when it has gone."""
        await self.start()
        await self.response.write(b"".join(encode(message) + _LINE for message in messages))

    async def finish(self) -> web.StreamResponse:
        await self.start()
        await self.response.write_eof()
        return self.response


async def run_with_progress(
    call: Call, work: Callable[[Progress], Awaitable[Any]], *, always: bool = False
) -> web.StreamResponse:
    """Run ``work`` and stream what it reports, from whichever thread.

    An error before the first report is raised, a later one becomes the last message; with ``always`` that one too.
    """
    stream = MessageStream(call)
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    task = asyncio.ensure_future(_supervise(work, _reporter(queue), queue))
    call.on_disconnect(task.cancel)
    try:
        await _forward(queue, stream)
        await task
    except PierError as error:
        if not (stream.response.prepared or always):
            raise
        await stream.send(_error(error.message))
    except (ConnectionError, asyncio.CancelledError):
        task.cancel()
        raise
    except Exception as error:
        _log.exception("a request failed", method=call.request.method, path=call.request.path)
        await stream.send(_error(f"internal error: {type(error).__name__}: {error}"))
    finally:
        task.cancel()
    return await stream.finish()


async def _supervise(
    work: Callable[[Progress], Awaitable[Any]], report: Progress, queue: asyncio.Queue[dict[str, Any] | None]
) -> None:
    try:
        await work(report)
    finally:
        queue.put_nowait(None)


def _reporter(queue: asyncio.Queue[dict[str, Any] | None]) -> Progress:
    loop = asyncio.get_running_loop()

    def report(message: dict[str, Any]) -> None:
        try:
            own = asyncio.get_running_loop() is loop
        except RuntimeError:
            own = False
        if own:
            queue.put_nowait(message)
        else:
            loop.call_soon_threadsafe(queue.put_nowait, message)

    return report


async def _forward(queue: asyncio.Queue[dict[str, Any] | None], stream: MessageStream) -> None:
    while (message := await queue.get()) is not None:
        batch = [message]
        last = False
        while not queue.empty():
            if (more := queue.get_nowait()) is None:
                last = True
                break
            batch.append(more)
        await stream.send(*batch)
        if last:
            return


def _error(message: str) -> dict[str, Any]:
    return {"errorDetail": {"message": message}, "error": message}


async def send_bytes(
    call: Call, chunks: AsyncIterator[bytes], content_type: str, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Stream bytes (archives). An error in the midst breaks the connection: nobody must take the part for the whole."""
    response = web.StreamResponse(headers={"Content-Type": content_type, **(headers or {})})
    response.headers.update(call.services.system.headers())
    response.enable_chunked_encoding()
    try:
        await _forward_bytes(call, chunks, response)
    except PierError as error:
        if not response.prepared:
            raise
        _log.error("an archive broke off", path=call.request.path, error=error.message)
        if call.request.transport is not None:
            call.request.transport.abort()
        raise ConnectionResetError("an archive broke off") from error
    await response.write_eof()
    return response


async def _forward_bytes(call: Call, chunks: AsyncIterator[bytes], response: web.StreamResponse) -> None:
    """Whoever goes away in the midst ends what makes them, such as a helper process, at once."""
    pieces = aiter(chunks)
    try:
        async for chunk in pieces:
            if not response.prepared:
                await response.prepare(call.request)
            await response.write(chunk)
        if not response.prepared:
            await response.prepare(call.request)
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
