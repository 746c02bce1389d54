"""An image for several platforms: each was pushed under a tag of its own, and an index names them all."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from pier.errors import PierError
from pier.oci import mediatypes
from pier.oci.platform import parse_platform
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.tokens import name_of
from pier.registry.deps import Registry
from pier.registry.manifests.delete import delete
from pier.registry.manifests.put import put
from pier.registry.refusals import Refusal
from pier.registry.settings import Build


async def join(registry: Registry, rule: Build, made: Mapping[str, str], tags: Iterable[str]) -> None:
    """``made``: by platforms the tags of their images. Raises BuildFailed."""
    described = [await _described(registry, rule, platform, tag) for platform, tag in made.items()]
    index = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": described}
    data = msgspec.json.encode(index)
    try:
        for tag in tags:
            await put(registry, rule.image, tag, mediatypes.OCI_INDEX, data, name_of(rule))
    except Refusal as refusal:
        raise BuildFailed(refusal.message) from refusal


async def forget(registry: Registry, rule: Build, tags: Iterable[str]) -> None:
    """What the index needs stays without them."""
    for tag in tags:
        with suppress(PierError):
            await delete(registry, rule.image, tag, name_of(rule))


async def _described(registry: Registry, rule: Build, platform: str, tag: str) -> dict[str, Any]:
    manifest = await registry.records.manifest(rule.image, tag)
    if manifest is None:
        raise BuildFailed(f"the engine has pushed {rule.image}:{tag} elsewhere: is push_to right?")
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.data),
        "platform": msgspec.to_builtins(parse_platform(platform)),
    }
