"""Caches that other machines made: found at the start, their layers fetched only when they are needed.

A cache is trusted as the images are that are made with it: who can write it can say that a step made other layers. But
no layer is taken for another one, because each is checked against its diff ID when it is unpacked, and a cache that
cannot be read costs time, no more.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.held import own_chains
from pier.build.deps import Build, Deps
from pier.build.export.concurrently import concurrently
from pier.build.export.epoch import REMEMBERED
from pier.build.export.steps import Part, Step, step
from pier.build.remotecache.sources import FolderSource, Found, RegistrySource, Source, read
from pier.build.request import CacheSpec
from pier.errors import InvalidArgument, PierError, Unsupported
from pier.images.release import release_layers
from pier.images.unpack import unpack_layers
from pier.oci import mediatypes
from pier.oci.digest import Digest
from pier.oci.image import chain_ids
from pier.oci.manifest import Descriptor
from pier.oci.reference import parse_reference
from pier.snapshots import diff

TYPES: Final = ("registry", "local", "inline")


class Imported(msgspec.Struct, frozen=True):
    """One cache, and where its blobs are."""

    source: Source
    found: Found


class RemoteCache:
    """All caches that one build was given."""

    def __init__(self, build: Build, imported: Sequence[Imported]) -> None:
        self._build = build
        self._records: dict[str, CacheRecord] = {}
        self._places: dict[Digest, tuple[Source, Descriptor]] = {}
        self._mounts: dict[str, tuple[Source, Descriptor]] = {}
        self._sources: dict[Digest, Source] = {}
        self._lock = asyncio.Lock()
        self._keys: dict[tuple[Digest, ...], list[str]] = {}
        for each in imported:
            for record in each.found.records:
                if self._records.setdefault(record.key, record) is record:
                    self._keys.setdefault(record.diff_ids, []).append(record.key)
            for diff_id, blob in each.found.blobs.items():
                self._places.setdefault(diff_id, (each.source, blob))
            for name, blob in each.found.mounts.items():
                self._mounts.setdefault(name, (each.source, blob))

    def record(self, key: str) -> CacheRecord | None:
        """What some other machine's step made that had this key. Its layers are not here yet."""
        return self._records.get(key)

    def place(self, diff_id: Digest) -> tuple[Source, Descriptor] | None:
        """Where a layer's bytes are."""
        return self._places.get(diff_id)

    def mount(self, name: str) -> tuple[Source, Descriptor] | None:
        """Where the contents of a cache mount are."""
        return self._mounts.get(name)

    def mounts(self) -> list[str]:
        """The cache mounts that travelled."""
        return sorted(self._mounts)

    def reachable(self, diff_ids: Sequence[Digest]) -> bool:
        """Whether all layers are here, or can be brought as far as anyone knows."""
        snapshots = self._build.deps.snapshots
        known = snapshots.layers()
        return all(
            chain in known or diff_id in self._places or snapshots.with_diff(diff_id) is not None
            for chain, diff_id in zip(chain_ids(diff_ids), diff_ids, strict=True)
        )

    async def materialize(self, diff_ids: Sequence[Digest], have: int = 0) -> bool:
        """Bring the layers that are missing; the lowest ``have`` are known to be there. False: they cannot be had.

        What is there then stays until ``build.lasting`` is closed.
        """
        deps = self._build.deps
        chain = chain_ids(diff_ids)
        if have < len(diff_ids) and not self.reachable(diff_ids):
            return False
        async with self._lock:
            before = set(deps.snapshots.layers())
            try:
                with deps.images.pins.hold(chain):
                    await self._bring(diff_ids)
                    self._build.lasting.enter_context(deps.images.pins.hold(chain))
                    self._keep(diff_ids)
                return True
            except BaseException as error:
                for chain_id in reversed([each for each in chain if each not in before]):
                    await release_layers(deps.images, chain_id, blobs=False)
                self._forget(diff_ids)
                if isinstance(error, PierError | OSError):
                    return False
                raise

    def _keep(self, diff_ids: Sequence[Digest]) -> None:
        """From now on the build cache keeps these layers, if it has the records that they are of."""
        deps = self._build.deps
        for count in range(len(diff_ids) + 1):
            for key in self._keys.get(tuple(diff_ids[:count]), ()):
                known = deps.cache.get(key)
                if known is not None and known.diff_ids == self._records[key].diff_ids:
                    size = sum(deps.snapshots.layer(chain_id).size for chain_id in own_chains(known))
                    known = msgspec.structs.replace(known, size=size)
                    deps.cache.put(known)
                    deps.held.add(known)

    async def _bring(self, diff_ids: Sequence[Digest]) -> None:
        deps = self._build.deps
        known = deps.snapshots.layers()
        if all(chain_id in known for chain_id in chain_ids(diff_ids)):
            return
        forms = [self._form(diff_id) for diff_id in diff_ids]
        with step(self._build.progress, self._build.request.id, "[internal] load layers from cache") as shown:
            parts: dict[str, Part] = {}
            await unpack_layers(
                deps.images,
                forms,
                diff_ids,
                self._pieces,
                lambda message: _tell(shown, parts, message),
                deps.registries.downloads,
            )

    def _form(self, diff_id: Digest) -> Descriptor:
        """A layer that is here, on other layers, is made again rather than fetched."""
        layer = self._build.deps.snapshots.with_diff(diff_id)
        place = self._places.get(diff_id)
        if layer is not None or place is None:
            return Descriptor(mediatypes.OCI_LAYER, diff_id, layer.tar_size if layer is not None else 0)
        self._sources[place[1].digest] = place[0]
        return place[1]

    async def _pieces(self, descriptor: Descriptor, offset: int) -> AsyncIterator[bytes]:
        source = self._sources.get(descriptor.digest)
        if source is not None:
            async for data in source.pieces(descriptor, offset):
                yield data
            return
        layer = self._build.deps.snapshots.with_diff(descriptor.digest)
        if layer is None:
            return
        async with aclosing(diff.layer_tar(layer)) as made:
            async for data in made:
                skipped, offset = data[offset:], max(offset - len(data), 0)
                if skipped:
                    yield skipped

    def _forget(self, diff_ids: Sequence[Digest]) -> None:
        """Do not try again in this build what failed once."""
        for diff_id in diff_ids:
            self._places.pop(diff_id, None)


def _tell(shown: Step, parts: dict[str, Part], message: dict[str, Any]) -> None:
    """A message of Docker's progress about one layer, as a part of the step."""
    key, text = message.get("id", ""), message.get("status", "")
    if not key or text in ("Already exists", "Waiting"):
        return
    part = parts.get(key) or parts.setdefault(key, shown.begin(f"layer {key}"))
    detail = message.get("progressDetail") or {}
    part.current, part.total = detail.get("current", part.current), detail.get("total", part.total)
    if text == "Pull complete":
        part.done()
    else:
        part.show()


_known: dict[AsyncExitStack, RemoteCache] = {}
"""By what lasts as long as a build: the exporter asks for what the solver had."""


async def importers(build: Build) -> RemoteCache:
    """The caches that the request names in ``cache_from``. One that cannot be read is told, and left out.

    Raises InvalidArgument and Unsupported where ``cache_from`` or ``cache_to`` asks for what there is not.
    """
    known = _known.get(build.lasting)
    if known is not None:
        return known
    check(build.request.cache_from, "importer")
    check(build.request.cache_to, "exporter")
    specs = list(enumerate(build.request.cache_from))
    found = await concurrently(_import(build, index, spec) for index, spec in specs if spec.type != "inline")
    remote = RemoteCache(build, [each for each in found if each is not None])
    _known[build.lasting] = remote
    build.lasting.callback(_known.pop, build.lasting, None)
    return remote


def imported(build: Build) -> RemoteCache | None:
    """What :func:`importers` gave in this build."""
    return _known.get(build.lasting)


def check(specs: Sequence[CacheSpec], role: str) -> None:
    """``role``: importer or exporter. Raises InvalidArgument, Unsupported."""
    for spec in specs:
        if spec.type not in TYPES:
            raise Unsupported(
                f'unknown cache {role}: "{spec.type}": Pier\'s caches are of the types {", ".join(TYPES)}'
            )
        if spec.type == "registry":
            if not spec.attributes.get("ref"):
                raise InvalidArgument(f"ref required for registry cache {role}")
            parse_reference(spec.attributes["ref"])
        if role == "exporter" and spec.attributes.get("mode", "min") not in ("min", "max"):
            raise InvalidArgument(f"invalid cache mode: {spec.attributes['mode']}")


async def _import(build: Build, index: int, spec: CacheSpec) -> Imported | None:
    shown_as = spec.attributes.get("ref") or f"local:{spec.attributes.get('src', index)}"
    try:
        with step(build.progress, f"{build.request.id} {index}", f"importing cache manifest from {shown_as}") as shown:
            source = await _source(build, index, spec)
            found = await read(source)
            for note in found.notes:
                shown.note(note)
    except (PierError, OSError):
        return None  # the step has said why
    await asyncio.to_thread(_remember, build.deps, found)
    return Imported(source, found)


async def _source(build: Build, index: int, spec: CacheSpec) -> Source:
    if spec.type == "registry":
        reference = parse_reference(spec.attributes["ref"]).with_default_tag()
        credentials = await build.session.credentials(reference.domain)
        return RegistrySource(await build.deps.registries.repository(reference, credentials))
    folder = await build.lasting.enter_async_context(build.session.folder(f"cache:{index}", (), ()))
    return FolderSource(folder.path, spec.attributes.get("tag", ""), spec.attributes.get("digest", ""))


def _remember(deps: Deps, found: Found) -> None:
    """Take over what is said of trees that are not here; of those that are, nobody need tell us."""
    here = deps.snapshots.layers()
    now = time.time_ns()
    for content in found.contents:
        own = content.selector.startswith(REMEMBERED)  # what this machine made of its layers
        if not own and content.root not in here and deps.cache.content(content.root, content.selector) is None:
            deps.cache.remember(content.root, content.selector, content.digest, now)
