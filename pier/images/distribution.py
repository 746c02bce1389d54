"""What a registry has under a name, without pulling it (``docker manifest``, ``docker service`` ask for it)."""

from typing import Any

import msgspec

from pier.oci.image import MAX_CONFIG_BYTES, parse_config
from pier.oci.manifest import Descriptor, Index, Manifest, parse_manifest
from pier.oci.platform import Platform
from pier.oci.reference import Reference
from pier.remote import fetch
from pier.remote.client import Registries
from pier.remote.repository import Repository
from pier.remote.settings import Credentials


async def inspect(registries: Registries, reference: Reference, credentials: Credentials | None) -> dict[str, Any]:
    """The JSON of ``GET /distribution/{name}/json``: the descriptor, and the platforms there are.

    Raises NotFound, Unauthorized and Unavailable in Docker's words, DataCorrupted for a bad answer.
    """
    repository = await registries.repository(reference, credentials)
    found = await fetch.manifest(repository, reference)
    parsed = parse_manifest(found.data, found.media_type or None)
    descriptor = Descriptor(parsed.media_type, found.digest, len(found.data))
    platforms = [msgspec.to_builtins(platform) for platform in await _platforms(repository, parsed)]
    return {"Descriptor": msgspec.to_builtins(descriptor), "Platforms": platforms}


async def _platforms(repository: Repository, parsed: Manifest | Index) -> list[Platform]:
    if isinstance(parsed, Index):
        return [entry.platform for entry in parsed.manifests if entry.platform is not None]
    config = parse_config(await fetch.small_blob(repository, parsed.config, MAX_CONFIG_BYTES))
    return [Platform(config.architecture, config.os, config.os_version, config.variant)]
