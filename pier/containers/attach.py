"""``attach``: a client at a container's standard streams."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.keys import DetachFilter, parse_keys
from pier.containers.logs import replay
from pier.containers.registry import Live, Pending
from pier.containers.state import check_attach
from pier.runtime.runtime import STDERR, STDOUT, AttachStream, Supervised

Piece = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """``logs`` replays what was written so far, ``stream`` goes on with what is written from now on."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    logs: bool = False
    stream: bool = False
    detach_keys: str = ""


class Attachment(Protocol):
    """The client's end. Iterate for output, ``(1 | 2, bytes)``; with a ``tty`` everything is stream 1 and raw.

    The iteration ends when the process has ended and every byte was given, or on detach. ``close`` in any case.
    """

    tty: bool

    def __aiter__(self) -> AsyncIterator[Piece]: ...

    async def write(self, data: bytes) -> None:
        """Send to standard input. Once the detach keys were typed (tty only) the iteration ends."""

    async def close_stdin(self) -> None:
        """The client has sent everything: the process reads end-of-file (when StdinOnce says so)."""

    async def close(self) -> None:
        """Let go; the container goes on. A second time is no error."""


class StreamAttachment:
    """An :class:`Attachment` to a stream that is there, or comes with the container's next start.

    The future gives None when that start fails. ``wanted`` are the streams to pass on; what comes on others is
    read and dropped, or the process would be held back. With ``until`` the iteration ends only once that is set
    (the exit code is known), unless the client has let go.
    """

    def __init__(
        self,
        tty: bool,
        connected: asyncio.Future[AttachStream | None] | AttachStream | None,
        wanted: frozenset[int],
        *,
        detach_keys: bytes | None = None,
        earlier: AsyncIterator[Piece] | None = None,
        until: asyncio.Event | None = None,
    ) -> None:
        self.tty = tty
        self.closed = False
        self._connected = connected if isinstance(connected, asyncio.Future) else _resolved(connected)
        self._until = until
        self._wanted = wanted
        self._keys = DetachFilter(detach_keys) if detach_keys and tty else None
        self._earlier = earlier

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[Piece]:
        if self._earlier is not None:
            async for piece in self._earlier:
                yield piece
        stream = await self._stream()
        while stream is not None and (got := await stream.read()) is not None:
            if got[0] in self._wanted:
                yield got
        if self._until is not None and not self.closed:
            await self._until.wait()

    async def _stream(self) -> AttachStream | None:
        """Waits without cancelling the future, which the other direction waits for too."""
        if not self._connected.done():
            await asyncio.wait((self._connected,))
        return None if self._connected.cancelled() else self._connected.result()

    async def write(self, data: bytes) -> None:
        if self._keys is not None:
            data = self._keys.feed(data)
        stream = await self._stream()
        if stream is not None and data:
            await stream.write(data)
        if self._keys is not None and self._keys.detached:
            await self.close()

    async def close_stdin(self) -> None:
        if (stream := await self._stream()) is not None:
            stream.close_stdin()

    async def close(self) -> None:
        self.closed = True
        if not self._connected.done():
            self._connected.cancel()
        elif not self._connected.cancelled() and (stream := self._connected.result()) is not None:
            stream.close()


async def attach(deps: Deps, reference: str, options: AttachOptions) -> Attachment:
    """Attach; from the return on no byte of output is missed, also of a container that is started only later.

    Conflict when the container is paused or waits to be restarted, InvalidArgument for wrong detach keys.
    """
    keys = parse_keys(options.detach_keys)
    live = deps.registry.find(reference)
    async with live.lock:
        check_attach(live.record)
        connected = await _connect(deps, live, options.stdin) if options.stream else None
    wanted = frozenset(n for n, on in ((STDOUT, options.stdout), (STDERR, options.stderr)) if on)
    earlier = replay(deps, live.record, wanted, time.time_ns()) if options.logs else None
    announce(deps, live.record, "attach")
    return StreamAttachment(
        live.record.config.tty, connected, wanted, detach_keys=keys if options.stdin else None, earlier=earlier
    )


async def _connect(deps: Deps, live: Live, stdin: bool) -> "asyncio.Future[AttachStream | None] | AttachStream":
    sup = live.record.supervised
    if sup is not None and live.record.state.alive:
        return await deps.runtime.attach(sup, stdin=stdin)
    future: asyncio.Future[AttachStream | None] = asyncio.get_running_loop().create_future()
    live.pending.append(Pending(future, stdin))
    return future


async def connect_pending(deps: Deps, live: Live, sup: Supervised) -> None:
    """Connect everybody who attached before the start; called between the runtime's create and start."""
    waiting, live.pending = live.pending, []
    for each in waiting:
        if not each.future.done():
            stream = await deps.runtime.attach(sup, stdin=each.stdin)
            if each.future.done():
                stream.close()
            else:
                each.future.set_result(stream)


def end_pending(live: Live) -> None:
    """End the attachments that wait for a start which has failed, or will never be."""
    waiting, live.pending = live.pending, []
    for each in waiting:
        if not each.future.done():
            each.future.set_result(None)


def _resolved(stream: AttachStream | None) -> asyncio.Future[AttachStream | None]:
    future: asyncio.Future[AttachStream | None] = asyncio.get_running_loop().create_future()
    future.set_result(stream)
    return future
