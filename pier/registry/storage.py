"""Where the bytes are (contract): a folder, or S3.

Bytes come through an :class:`Upload` in pieces, in order, and are a blob once it is finished::

    location = storage.location()                        # written down with the upload's row, before any byte
    writer = await storage.resume(location, offset, state)
    await writer.write(data)                             # any number of pieces of any size
    offset, state = await writer.pause()                 # durable up to here: goes on in another request or instance
    size = await writer.finish()                         # all bytes are at writer.location now

The digest is the caller's business (:mod:`pier.registry.blobs`), since only it knows what was hashed already.
All errors are kinds: NoSpace for a full disk, Unavailable where S3 does not answer.
"""

from collections.abc import AsyncIterator
from typing import Protocol


class Writer(Protocol):
    """One upload's bytes, in one request. Not for two tasks.

    ``location`` is where the bytes are once :meth:`finish` has returned: the upload's, or one that begins with it. No
    other writer ever writes there.
    """

    @property
    def location(self) -> str: ...

    async def write(self, data: bytes) -> None:
        """Append. Raises NoSpace, Unavailable: what came before may be paused or given up."""

    async def pause(self) -> tuple[int, bytes]:
        """Make all that was written durable; return how many bytes that is, and what :meth:`Storage.resume` needs."""

    async def finish(self) -> int:
        """Make the whole readable at :attr:`location` (durably); return its size.

        Raises DataCorrupted where what came before is gone: the upload was given up, or finished by somebody else.
        """

    async def close(self) -> None:
        """Let go without a promise for what was written since the last pause. Idempotent.

        Where the storage is ``exclusive``, other writers are kept out until here: close only when the records know.
        """


class Storage(Protocol):
    """One of these a process. ``exclusive``: two writers of one location cannot be at work at once, in any process."""

    exclusive: bool

    def location(self) -> str:
        """A name that was never given before, by any instance."""

    async def resume(self, location: str, offset: int, state: bytes) -> Writer:
        """Go on at ``offset`` (0 at first), dropping what lies beyond it, not before the first write, pause or finish.

        Raises DataCorrupted where it is shorter, Conflict where another writer is at it (``exclusive``).
        """

    async def salvage(self, location: str) -> int:
        """How many bytes an unfinished upload has that nobody is at; they are durable now. 0 where that is not told.

        Whoever goes on from there has to look at the digest of the whole: of what was never promised a power loss may
        have left anything.
        """

    def read(self, location: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes ``start`` to ``stop`` (exclusive) of what was finished. Raises NotFound, Unavailable."""

    def open(self, location: str) -> int | None:
        """A file descriptor of what was finished, where there is one (a folder); None else. Raises NotFound."""

    async def url(self, location: str, seconds: int) -> str | None:
        """Where a client may fetch the bytes itself for so long; None where it may not."""

    async def delete(self, location: str, state: bytes = b"") -> None:
        """Remove what is there, finished or not; nothing there is no error.

        With an upload's location also what begins with it, whatever of it ``state`` knows.
        """

    def walk(self) -> AsyncIterator[str]:
        """Every location that has bytes, finished or not: for a check of the whole.

        Those of an unfinished upload may be several, that begin with the upload's. They come in few runs, each in the
        order of the locations' first two characters.
        """

    async def healthy(self) -> None:
        """Raises Unavailable or NoSpace where it could not take a blob now."""

    async def stop(self) -> None: ...
