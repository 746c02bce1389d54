"""The build cache as it travels (pure): ``pier.buildcache.v1``, one JSON document.

It lists layers by diff ID, with the blobs that hold them where they travel along, and says of each step's key which
layers it made, and of each tree what is known of its contents. So another machine comes to the same keys without having
the layers. Where the document lies, and why it looks so, is told in docs/design/2026-11-21-build-cache-that-travels.md.
Whoever wrote it may be hostile: what is decoded here is consistent, bounded and printable; what it says of layers is
checked when they are unpacked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from pier.build.cache import CacheRecord
from pier.errors import DataCorrupted, InvalidArgument
from pier.oci.digest import Digest, parse_digest
from pier.oci.manifest import Descriptor

INLINE: Final = "pier.buildcache.v1"
"""The key of an image's config that holds the document."""
CONFIG_TYPE: Final = "application/vnd.pier.buildcache.config.v1+json"
MOUNT: Final = "pier.buildcache.mount"
"""The annotation of a manifest's layer that is a cache mount: its ID."""
MAX_BYTES: Final = 32 * 1024 * 1024
_VERSION: Final = 1
_MOST: Final = 50_000
_MOST_LAYERS: Final = 500
_LONGEST: Final = 4096
_LATEST: Final = 1 << 63


class CachedLayer(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """``blob``: where its bytes are, None where they did not travel along."""

    diff_id: Digest
    blob: Descriptor | None = None


class CachedStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A :class:`pier.build.cache.CacheRecord`; ``layers`` are indexes."""

    key: str
    layers: tuple[int, ...]
    own: int = 1
    created: int = 0
    description: str = ""
    parents: tuple[str, ...] = ()


class CachedContent(msgspec.Struct, frozen=True):
    """What :meth:`pier.build.cache.CacheStore.content` knows."""

    root: str
    selector: str
    digest: Digest


class BuildCache(msgspec.Struct, frozen=True):
    layers: tuple[CachedLayer, ...] = ()
    steps: tuple[CachedStep, ...] = ()
    contents: tuple[CachedContent, ...] = ()
    version: int = _VERSION

    def records(self) -> list[CacheRecord]:
        return [self._record(step) for step in self.steps]

    def _record(self, step: CachedStep) -> CacheRecord:
        return CacheRecord(
            key=step.key,
            description=step.description,
            diff_ids=tuple(self.layers[index].diff_id for index in step.layers),
            own=step.own,
            created=step.created,
            parents=step.parents,
        )


def describe(
    records: Iterable[CacheRecord], contents: Iterable[CachedContent], blobs: Mapping[Digest, Descriptor]
) -> BuildCache:
    """The same cache gives the same document. Only steps that made layers are of use elsewhere."""
    layers: dict[Digest, int] = {}
    steps: list[CachedStep] = []
    for record in sorted(records, key=lambda record: record.key):
        if record.kind != "regular" or len(record.diff_ids) > _MOST_LAYERS:
            continue
        indexes = tuple(layers.setdefault(diff_id, len(layers)) for diff_id in record.diff_ids)
        own, description = min(record.own, len(indexes)), record.description[:_LONGEST]
        steps.append(CachedStep(record.key, indexes, own, record.created, description, record.parents))
    known = sorted(contents, key=lambda content: (content.root, content.selector))
    return BuildCache(tuple(CachedLayer(diff_id, blobs.get(diff_id)) for diff_id in layers), tuple(steps), tuple(known))


def encode(cache: BuildCache) -> bytes:
    return msgspec.json.encode(cache)


def decode(data: bytes) -> BuildCache:
    """Raises DataCorrupted for what is no cache, or one of another version."""
    if len(data) > MAX_BYTES:
        raise DataCorrupted(f"build cache is larger than {MAX_BYTES} bytes")
    try:
        cache = msgspec.json.decode(data, type=BuildCache)
        _check(cache)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, InvalidArgument) as error:
        raise DataCorrupted(f"invalid build cache: {error}") from error
    return msgspec.structs.replace(cache, steps=tuple(map(_printable, cache.steps)))


def _check(cache: BuildCache) -> None:
    if cache.version != _VERSION:
        raise InvalidArgument(f"version {cache.version} is not known")
    if max(len(cache.layers), len(cache.steps), len(cache.contents)) > _MOST:
        raise InvalidArgument("it has too many entries")
    for layer in cache.layers:
        parse_digest(layer.diff_id)
        if layer.blob is not None:
            parse_digest(layer.blob.digest)
            _need(0 <= layer.blob.size < _LATEST, "a layer of impossible size")
    for step in cache.steps:
        _need(0 < len(step.key) <= _LONGEST, "a step without a key")
        _need(len(step.layers) <= _MOST_LAYERS, "a step with too many layers")
        _need(all(0 <= index < len(cache.layers) for index in step.layers), "a step with layers that are not listed")
        _need(0 <= step.own <= len(step.layers), "a step with more layers than there are")
        _need(0 <= step.created < _LATEST, "a step of an impossible time")
        _need(_short(step.parents), "a step with too many parents")
    for content in cache.contents:
        parse_digest(content.digest)
        _need(len(content.root) <= _LONGEST, "contents of what has no name")


def _need(fulfilled: bool, text: str) -> None:
    if not fulfilled:
        raise InvalidArgument(text)


def _short(texts: Sequence[str]) -> bool:
    return len(texts) <= _MOST_LAYERS and all(len(text) <= _LONGEST for text in texts)


def _printable(step: CachedStep) -> CachedStep:
    text = "".join(char for char in step.description[:_LONGEST] if char.isprintable())
    return step if text == step.description else msgspec.structs.replace(step, description=text)
