"""One image goes from a side to the other: what is there stays, children come before indexes, and those before tags."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pier.errors import DataCorrupted, NotFound, PierError
from pier.oci.digest import Digest
from pier.registry.manifests import document
from pier.registry.model import Manifest, Reference
from pier.registry.replication.report import Report
from pier.registry.replication.sides import Found, Side
from pier.registry.replication.turns import Turns

_BLOBS_AT_ONCE: Final = 3
_KEEP_EVERY: Final = 600
_DEEPEST: Final = 5
_MOST_MOVES: Final = 5


@dataclass(slots=True)
class Copier:
    """For one job. ``named`` gives the target's name of a repository, ``homes`` repositories there to mount from."""

    source: Side
    target: Side
    named: Callable[[str], str]
    homes: Callable[[Digest], Awaitable[list[str]]]
    turns: Turns
    report: Report
    referrers: bool
    _seen: set[tuple[str, Digest]] = field(default_factory=set)
    _tags: set[tuple[str, str]] = field(default_factory=set)

    async def tag(self, name: str, tag: str, *, alone: bool = False) -> None:
        """Let it name the same on both sides, with all that refers to it (not where it is ``alone``).

        A tag that moves meanwhile is copied again: two jobs for it may pass each other. One that is gone is left.
        """
        if (name, tag) in self._tags:
            return
        self._tags.add((name, tag))
        before: Digest | None = None
        for _ in range(_MOST_MOVES):
            found = await self._found(name, tag)
            if found is None or found.digest == before:
                return
            try:
                await self._tag(name, tag, found, alone)
            except NotFound:  # perhaps because it went on before we had it
                if not self.source.near or await self.source.digest(name, tag) == found.digest:
                    raise
                continue
            if not self.source.near:
                return
            before = found.digest

    async def _found(self, name: str, tag: str) -> Found | None:
        """From afar only its digest is asked for, where that is told."""
        digest = await self.source.digest(name, tag)
        if digest is not None and not self.source.near:
            return Found(digest, b"", "")
        try:
            return await self.source.manifest(name, tag)
        except NotFound:
            if self.source.near:
                return None
            raise

    async def _tag(self, name: str, tag: str, found: Found, alone: bool) -> None:
        target = self.named(name)
        same = await self.target.digest(target, tag) == found.digest
        if same:
            self.report.present += 1
            if alone or not self.referrers:
                return
        else:
            await self.target.admit(target, tag)
        brought, digests = await self.tree(name, found.digest, there=same)
        if not alone:
            await self.attached(name, digests)
        if same:
            return
        await self.target.put(target, tag, brought)
        self.report.copied += 1
        self.report.line(f"{name}:{tag} {found.digest} copied")

    async def tree(self, name: str, digest: Digest, depth: int = 0, there: bool = False) -> tuple[Found, list[Digest]]:
        """Have the manifest and all it refers to there; with the digests of it and of its children.

        ``there``: an index of it is, so that it must be. What is there is read where that costs least.
        """
        if depth > _DEEPEST:
            raise DataCorrupted(f"indexes within indexes, deeper than {_DEEPEST}: {digest}")
        target = self.named(name)
        there = there or await self.target.digest(target, digest) is not None
        afar = there and self.target.near
        found = await (self.target.manifest(target, digest) if afar else self.source.manifest(name, digest))
        manifest, elsewhere = document.read(found.data, found.media_type)
        digests = [digest]
        for child in manifest.references:
            if child.kind == "manifest":
                digests += (await self.tree(name, child.digest, depth + 1, there))[1]
        if not there:
            await self._blobs(name, manifest, elsewhere)
            await self.target.put(target, digest, found)
        return found, digests

    async def attached(self, name: str, subjects: list[Digest], depth: int = 0) -> None:
        """Signatures, bills of materials and the like, and what refers to these in turn."""
        if not self.referrers or depth > _DEEPEST:
            return
        for subject in subjects:
            if (name, subject) in self._seen:
                continue
            self._seen.add((name, subject))
            found = await self.source.referrers(name, subject)
            manifests = [await self.referrer(name, each, depth) for each in found]
            if manifests:
                await self.list_referrers(name, subject, manifests)
            for tag in await self.source.companions(name, subject):
                await self.tag(name, tag, alone=True)

    async def referrer(self, name: str, digest: Digest, depth: int = 0) -> Manifest:
        found, digests = await self.tree(name, digest)
        await self.attached(name, digests, depth + 1)
        return document.read(found.data, found.media_type)[0]

    async def list_referrers(self, name: str, subject: Digest, referrers: list[Manifest]) -> None:
        """Where that is a list that is read and written, others wait meanwhile."""
        target = self.named(name)
        async with self.turns.of(f"{target}@{subject}"):
            await self.target.list_referrers(target, subject, referrers)

    async def _blobs(self, name: str, manifest: Manifest, elsewhere: frozenset[Digest]) -> None:
        target = self.named(name)
        needed = [each for each in manifest.references if each.kind == "blob"]
        lacking = [each for each in needed if not await self.target.has_blob(target, each.digest)]
        await self.target.make_room(target, lacking)
        keeping = asyncio.create_task(self._keep(target, needed))
        try:
            await together([self._blob(name, each, each.digest in elsewhere) for each in lacking])
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, target: str, blobs: list[Reference]) -> None:
        """Ask for them now and then: who asks is about to push a manifest, and registries keep them for that."""
        while True:
            await asyncio.sleep(_KEEP_EVERY)
            for blob in blobs:
                with suppress(PierError):
                    await self.target.has_blob(target, blob.digest)

    async def _blob(self, name: str, blob: Reference, elsewhere: bool) -> None:
        """``elsewhere``: a layer that lies at an address of its own, and need not be at the source."""
        target = self.named(name)
        async with self.turns.of(blob.digest):
            if await self.target.has_blob(target, blob.digest):
                return
            homes = [home for home in await self.homes(blob.digest) if home != target]
            if await self.target.mount(target, blob.digest, homes):
                return
            if elsewhere and not await self.source.has_blob(name, blob.digest):
                return
            measured = await self.source.measured(name, blob)
            await self.target.write(target, measured, lambda: self._read(name, measured))

    async def _read(self, name: str, blob: Reference) -> AsyncIterator[bytes]:
        async for piece in self.source.read(name, blob):
            self.report.bytes += len(piece)
            yield piece


async def together(works: list[Coroutine[Any, Any, None]]) -> None:
    """Some at once. The first that fails ends the others, and is what is raised.

    No task group: one that is cancelled while it ends because of a failure raises the failure alone (before Python
    3.13), and whoever copies went on with the next image.
    """
    if not works:
        return
    room = asyncio.Semaphore(_BLOBS_AT_ONCE)

    async def one(work: Coroutine[Any, Any, None]) -> None:
        async with room:
            await work

    going = [asyncio.create_task(one(work)) for work in works]
    try:
        ended, _ = await asyncio.wait(going, return_when=asyncio.FIRST_EXCEPTION)
        failures = [error for task in ended if (error := task.exception())]
    finally:
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        for work in works:
            work.close()
    if failures:
        raise failures[0]
