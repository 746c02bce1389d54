"""Another registry as a side of a replication."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from pier.errors import DataCorrupted, Forbidden, NotFound, Unauthorized, Unsupported
from pier.oci.digest import Digest, is_digest
from pier.oci.manifest import MAX_MANIFEST_BYTES, Descriptor
from pier.oci.mediatypes import OCI_INDEX
from pier.oci.reference import Reference as Name
from pier.registry.doubts import doubt
from pier.registry.model import Manifest, Reference
from pier.registry.names import is_repository, is_tag
from pier.registry.remotes import Remotes
from pier.registry.replication.rules import named
from pier.registry.replication.sides import Found, Pieces
from pier.registry.settings import Replication
from pier.remote import fetch, push
from pier.remote.catalogue import catalogue
from pier.remote.referrers import referrers
from pier.remote.remove import remove_tag
from pier.remote.repository import Repository, Request

_BYTES: Final = "application/octet-stream"
_MOST_MOUNTS: Final = 2
_NO_LIST: Final = "the registry does not list its repositories; name them without wildcards"


class There:
    """Implements Side."""

    near = False

    def __init__(self, remotes: Remotes, rule: Replication) -> None:
        self._remotes = remotes
        self._rule = rule
        self._repositories: dict[str, Repository] = {}
        self._tags: dict[str, list[str]] = {}
        self._knows_referrers: bool | None = None

    def _of(self, name: str) -> Repository:
        if name not in self._repositories:
            push = self._rule.direction == "push"
            self._repositories[name] = self._remotes.repository(self._rule.remote, name, push=push)
        return self._repositories[name]

    async def repositories(self) -> list[str]:
        known = named(self._rule.names)
        if known is not None:
            return known
        repository = self._of("")
        try:
            found = await catalogue(repository)
        except (NotFound, Forbidden, Unauthorized, Unsupported) as error:
            if isinstance(error, Unauthorized) and (reason := await doubt(self._remotes, self._rule.remote)):
                raise Unauthorized(reason) from error
            raise Unsupported(f"{_NO_LIST}: {error.message}") from error
        prefix = f"{repository.endpoint.prefix}/" if repository.endpoint.prefix else ""
        names = [each.removeprefix(prefix) for each in found if each.startswith(prefix)]
        return [each for each in names if is_repository(each)]

    async def tags(self, name: str) -> list[str]:
        self._tags[name] = [each for each in await fetch.tags(self._of(name)) if is_tag(each)]
        return self._tags[name]

    async def digest(self, name: str, reference: str) -> Digest | None:
        with _as_denied():
            return await fetch.manifest_digest(self._of(name), self._named(name, reference))

    async def manifest(self, name: str, reference: str) -> Found:
        with _as_denied():
            found = await fetch.manifest(self._of(name), self._named(name, reference))
        return Found(found.digest, found.data, found.media_type)

    def _named(self, name: str, reference: str) -> Name:
        known = self._of(name).reference
        if is_digest(reference):
            return Name(known.domain, known.path, digest=Digest(reference))
        return Name(known.domain, known.path, tag=reference)

    async def referrers(self, name: str, subject: Digest) -> list[Digest]:
        return [each.digest for each in await referrers(self._of(name), subject)]

    async def companions(self, name: str, subject: Digest) -> list[str]:
        stem = subject.replace(":", "-")
        known = self._tags.get(name)
        return [tag for tag in (await self.tags(name) if known is None else known) if tag.startswith(f"{stem}.")]

    async def has_blob(self, name: str, digest: Digest) -> bool:
        return await push.exists(self._of(name), digest)

    async def measured(self, name: str, blob: Reference) -> Reference:
        return blob

    def read(self, name: str, blob: Reference) -> AsyncIterator[bytes]:
        return fetch.blob(self._of(name), _descriptor(blob))

    async def admit(self, name: str, tag: str) -> None:
        """Its rules are not known here."""

    async def make_room(self, name: str, blobs: Sequence[Reference]) -> None:
        """Its quotas are not known here."""

    async def mount(self, name: str, digest: Digest, homes: Sequence[str]) -> bool:
        for home in homes[:_MOST_MOUNTS]:
            if await push.mount(self._of(name), digest, self._of(home).name):
                return True
        return False

    async def write(self, name: str, blob: Reference, pieces: Pieces) -> None:
        await push.upload(self._of(name), pieces, _descriptor(blob))

    async def put(self, name: str, reference: str, manifest: Found) -> None:
        await push.put_manifest(self._of(name), reference, manifest.data, manifest.media_type)

    async def list_referrers(self, name: str, subject: Digest, referrers: Sequence[Manifest]) -> None:
        """Registries before OCI distribution 1.1 have them in an index under a tag ("Referrers tag schema")."""
        if await self._lists_referrers(name, subject):
            return
        tag = subject.replace(":", "-")
        listed = await self._listed(name, tag)
        known = {each.get("digest") for each in listed}
        lacking = [_entry(each) for each in referrers if each.digest not in known]
        if lacking:
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*listed, *lacking]}
            await push.put_manifest(self._of(name), tag, msgspec.json.encode(index), OCI_INDEX)

    async def _lists_referrers(self, name: str, subject: Digest) -> bool:
        if self._knows_referrers is None:
            request = Request("GET", f"referrers/{subject}", headers={"Accept": OCI_INDEX}, ok=(200, 400, 404, 405))
            answer, _ = await self._of(name).read(request, MAX_MANIFEST_BYTES)
            self._knows_referrers = answer.status == 200
        return self._knows_referrers

    async def _listed(self, name: str, tag: str) -> list[Mapping[str, Any]]:
        try:
            found = await self.manifest(name, tag)
            return list(msgspec.json.decode(found.data, type=dict[str, Any]).get("manifests") or ())
        except NotFound:
            return []
        except (msgspec.DecodeError, TypeError) as error:
            raise DataCorrupted(f"the list of referrers {name}:{tag} is invalid: {error}") from error

    async def delete(self, name: str, tag: str) -> bool:
        return await remove_tag(self._of(name), tag)


@contextmanager
def _as_denied() -> Iterator[None]:
    """What is refused is that, and not merely lacking: a pull's wording speaks of pulls, and of ``docker login``."""
    try:
        yield
    except NotFound as error:
        if isinstance(error.__cause__, Forbidden):
            raise error.__cause__ from error
        raise


def _descriptor(blob: Reference) -> Descriptor:
    return Descriptor(_BYTES, blob.digest, blob.size)


def _entry(manifest: Manifest) -> dict[str, Any]:
    """As registries list it that know of referrers."""
    entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
    kind = {"artifactType": manifest.artifact_type} if manifest.artifact_type else {}
    return {**entry, **kind, **({"annotations": manifest.annotations} if manifest.annotations else {})}
