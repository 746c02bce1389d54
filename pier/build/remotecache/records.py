"""What of a build's cache is worth giving away: its records, what is known of its trees; and both inside an image."""

from typing import Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.export.epoch import REMEMBERED
from pier.build.graph import Rootfs
from pier.build.remotecache.format import INLINE, CachedContent, describe, encode
from pier.build.remotecache.importing import imported

_MOST_INLINE: Final = 4 * 1024 * 1024


def records_of(build: Build) -> list[CacheRecord]:
    """The records that this build used or made."""
    found: dict[str, CacheRecord] = {}
    remote_cache = imported(build)
    for solved in build.solved.values():
        record = build.deps.cache.get(solved.key) if isinstance(solved.result, Rootfs) else None
        if record is None and remote_cache is not None:
            record = remote_cache.record(solved.key)
        if record is not None:
            found[record.key] = record
    return list(found.values())


def contents_of(build: Build) -> list[CachedContent]:
    """What is known of the trees of this build."""
    roots: set[str] = set()
    for solved in build.solved.values():
        root = solved.result.immutable if isinstance(solved.result, Files) else solved.result.chain
        roots.update([root] if root else [])
    return [
        CachedContent(root, selector, digest)
        for root in sorted(roots)
        for selector, digest in build.deps.cache.contents(root)
        if not selector.startswith(REMEMBERED)
    ]


def with_inline(build: Build, config: bytes) -> bytes:
    """``config``, an image's, with the cache in it where the request asks for that."""
    if not any(spec.type == "inline" for spec in build.request.cache_to):
        return config
    cache = encode(describe(records_of(build), contents_of(build), {}))
    if len(cache) > _MOST_INLINE:
        return config
    fields = msgspec.json.decode(config, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**fields, INLINE: msgspec.Raw(cache)})
