"""Blobs that are coming from upstreams: each once, however many ask for it."""

import asyncio
import hashlib
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from pier.errors import Internal, NoSpace, PierError, Unavailable
from pier.log import Logger
from pier.oci.digest import Digest
from pier.registry.blobs.uploads import begin
from pier.registry.deps import Registry
from pier.registry.model import Upload
from pier.registry.refusals import Code, Refusal
from pier.registry.upstream.download import Download, Wanted

_AT_ONCE: Final = 16
_HOLDER: Final = "upstream"
Judge = Callable[[str, PierError], Awaitable[PierError]]
"""``judge(repository, error)``: what the error is to those who wait for the blob."""
_log: Final = Logger("pier.registry")


class Downloads:
    """One a process. A download goes on when those who wanted it have gone: they will be back.

    ``came`` is told of each blob that has come, by its upstream. An upstream that hangs holds up nobody else's.
    """

    def __init__(self, registry: Registry, came: Callable[[str], None], judge: Judge) -> None:
        self._registry = registry
        self._came = came
        self._judge = judge
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))
        self._going: dict[tuple[str, Digest], tuple[Download, asyncio.Task[None]]] = {}
        self._instance = f"{socket.gethostname()} {registry.settings.root} {','.join(registry.settings.listen)}"

    def begin(self, wanted: Wanted) -> Download:
        """Join the download of it, or begin one."""
        key = (wanted.repository, wanted.digest)
        if key not in self._going:
            download = Download(self._registry, wanted)
            task = asyncio.create_task(self._run(download), name=f"download {wanted.digest}")
            self._going[key] = (download, task)
            task.add_done_callback(lambda ended: self._going.pop(key))
        return self._going[key][0]

    async def stop(self) -> None:
        """What has come by now is kept; the next one goes on there."""
        tasks = [task for _, task in self._going.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, download: Download) -> None:
        wanted, registry = download.wanted, self._registry
        try:
            async with self._slots[wanted.upstream]:
                blob = await download.run(await self._upload(wanted), _HOLDER)
            self._came(wanted.upstream)
            await registry.records.keep_cached(wanted.repository, blob.digest, blob.size, registry.now())
        except PierError as error:
            await self._failed(download, NoSpace(error.message) if _beyond_quota(error) else error)
            if isinstance(error, NoSpace):
                await self._make_room(wanted.size)
        except Exception:
            download.fail(Internal("internal error"))
            _log.exception("a download failed", repository=wanted.repository, digest=wanted.digest)
        except BaseException:
            download.fail(Unavailable("the registry was stopped"))
            raise

    async def _failed(self, download: Download, error: PierError) -> None:
        wanted, judged = download.wanted, error
        _log.warning("a blob is not kept", repository=wanted.repository, digest=wanted.digest, reason=error.message)
        try:
            judged = await self._judge(wanted.repository, error)
        finally:
            download.fail(judged)

    async def _upload(self, wanted: Wanted) -> Upload:
        """The one that this instance has left half-done, if it has; nobody else goes on with that.

        One that was killed knows less of it than the file has, and the whole is hashed anew anyway.
        """
        text = f"{self._instance} {wanted.repository} {wanted.digest}"
        id = hashlib.sha256(text.encode()).hexdigest()[:32]
        found = await self._registry.records.upload(wanted.repository, id)
        if found is None:
            return await begin(self._registry, wanted.repository, id)
        if found.offset < 0:
            return await begin(self._registry, wanted.repository)
        there = await self._registry.storage.salvage(found.location)
        if found.offset < there <= wanted.size:
            await self._registry.records.advance_upload(id, found.offset, there, found.state, self._registry.now())
        return found

    async def _make_room(self, size: int) -> None:
        try:
            await self._registry.records.evict_cached(size, self._registry.now())
        except PierError as error:
            _log.warning("nothing can be let go of", reason=error.message)


def _beyond_quota(error: PierError) -> bool:
    """Quotas are for pushes: what goes beyond one is passed on."""
    return isinstance(error, Refusal) and error.code is Code.DENIED
