"""This registry as a side of a replication."""

from collections.abc import AsyncIterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from pier.errors import NotFound, Unavailable
from pier.oci.digest import Digest
from pier.registry import names
from pier.registry.blobs import finish, mount
from pier.registry.blobs.read import head, read
from pier.registry.deps import Registry
from pier.registry.manifests import delete, get, put
from pier.registry.model import Blob, Manifest, Reference
from pier.registry.refusals import Code, Refusal, no_room
from pier.registry.replication.rules import author
from pier.registry.replication.sides import Found, Pieces
from pier.registry.settings import Replication

_UNKNOWN: Final = frozenset({Code.NAME_UNKNOWN, Code.MANIFEST_UNKNOWN, Code.BLOB_UNKNOWN})
_MOST_COMPANIONS: Final = 16
_MOST_HOMES: Final = 20


class Here:
    """Implements Side. ``holder`` leases what is brought, until its manifest comes."""

    near = True

    def __init__(self, registry: Registry, rule: Replication, holder: str) -> None:
        self._registry = registry
        self._by = author(rule)
        self._holder = holder

    async def repositories(self) -> list[str]:
        return await self._registry.records.repositories()

    async def tags(self, name: str) -> list[str]:
        try:
            return await get.tags(self._registry, name)
        except Refusal as refusal:
            raise _kind(refusal, name) from refusal

    async def digest(self, name: str, reference: str) -> Digest | None:
        found = await self._registry.records.manifest(names.repository(name), reference)
        return found.digest if found else None

    async def manifest(self, name: str, reference: str) -> Found:
        try:
            found = await get.get(self._registry, name, reference, pull=False)
        except Refusal as refusal:
            raise _kind(refusal, f"{name}:{reference}") from refusal
        return Found(found.digest, found.data, found.media_type)

    async def referrers(self, name: str, subject: Digest) -> list[Digest]:
        return [each.digest for each in await get.referrers(self._registry, name, subject)]

    async def companions(self, name: str, subject: Digest) -> list[str]:
        stem = subject.replace(":", "-")
        found = await self._registry.records.tags(name, stem, _MOST_COMPANIONS)
        return [tag.name for tag in found if tag.name.startswith(f"{stem}.")]

    async def has_blob(self, name: str, digest: Digest) -> bool:
        try:
            await head(self._registry, name, digest, keep=True, holder=self._holder)
        except Refusal as refusal:
            if refusal.code in _UNKNOWN:
                return False
            raise
        return True

    async def measured(self, name: str, blob: Reference) -> Reference:
        return msgspec.structs.replace(blob, size=(await self._blob(name, blob)).size)

    async def read(self, name: str, blob: Reference) -> AsyncIterator[bytes]:
        async for piece in read(self._registry, await self._blob(name, blob)):
            yield piece

    async def _blob(self, name: str, blob: Reference) -> Blob:
        try:
            return await head(self._registry, name, blob.digest)
        except Refusal as refusal:
            raise _kind(refusal, f"{name}@{blob.digest}") from refusal

    async def admit(self, name: str, tag: str) -> None:
        """The records refuse an immutable tag, once all is here: this spares bringing it."""
        project = await self._registry.records.project(names.project(name))
        if project and any(fnmatchcase(tag, each) for each in project.immutable) and await self.digest(name, tag):
            raise Refusal(Code.DENIED, f"tag {tag} is immutable", {"tag": tag})

    async def make_room(self, name: str, blobs: Sequence[Reference]) -> None:
        """The records refuse what goes beyond the quota, once all is here: this spares bringing it."""
        project = names.project(name)
        rules = await self._registry.records.project(project)
        if rules is None or not rules.quota or not blobs:
            return
        taken = (await self._registry.records.usage(project)).get(project, 0)
        for blob in blobs:
            homes = await self._registry.records.homes(blob.digest, _MOST_HOMES)
            taken += 0 if project in map(names.project, homes) else blob.size
        if taken > rules.quota:
            raise no_room(project, taken, rules.quota)

    async def homes(self, digest: Digest) -> list[str]:
        """Repositories that have the blob."""
        return await self._registry.records.homes(digest, _MOST_HOMES)

    async def mount(self, name: str, digest: Digest, homes: Sequence[str]) -> bool:
        for home in homes:
            if await mount.mount(self._registry, name, home, digest, holder=self._holder):
                return True
        return False

    async def write(self, name: str, blob: Reference, pieces: Pieces) -> None:
        await finish.monolithic(self._registry, name, blob.digest, pieces(), expected=blob.size, holder=self._holder)

    async def put(self, name: str, reference: str, manifest: Found) -> None:
        try:
            await put.put(
                self._registry, name, reference, manifest.media_type, manifest.data, self._by, holder=self._holder
            )
        except Refusal as refusal:
            if refusal.code is Code.MANIFEST_BLOB_UNKNOWN:
                raise Unavailable(f"blobs of {name}:{reference} have gone before it came") from refusal
            raise

    async def list_referrers(self, name: str, subject: Digest, referrers: Sequence[Manifest]) -> None:
        """They are found by what they say."""

    async def delete(self, name: str, tag: str) -> bool:
        try:
            await delete.delete(self._registry, name, tag, self._by)
        except Refusal as refusal:
            if refusal.code in _UNKNOWN:
                return False
            raise
        return True


def _kind(refusal: Refusal, what: str) -> Exception:
    return NotFound(f"no such manifest or repository: {what}") if refusal.code in _UNKNOWN else refusal
