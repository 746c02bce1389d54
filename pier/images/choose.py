"""Which manifest of an index is meant (pure)."""

from collections.abc import Sequence
from typing import Final

from pier.errors import NotFound
from pier.oci.manifest import Descriptor, Index
from pier.oci.platform import Platform, distance, host_platform, runnable

_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
_UNKNOWN: Final = "unknown"


def acceptable(platform: Platform | None) -> tuple[Platform, ...]:
    """The platforms to look for, best first: what runs on the one asked for, else on this host."""
    return runnable(platform or host_platform())


def choose(index: Index, wanted: Sequence[Platform]) -> Descriptor:
    """The image of ``index`` that is for the best of ``wanted``, by its variant. Attestations are no images.

    Raises NotFound in Docker's words.
    """
    images = [entry for entry in index.manifests if not _is_attestation(entry)]
    for platform in wanted:
        fitting = [
            (distance(platform, entry.platform), position, entry)
            for position, entry in enumerate(images)
            if entry.platform is not None and platform.matches(entry.platform)
        ]
        if fitting:
            return min(fitting)[2]
    for entry in images:
        if entry.platform is None:
            return entry
    raise NotFound(f"no matching manifest for {wanted[0]} in the manifest list entries")


def _is_attestation(entry: Descriptor) -> bool:
    if _REFERENCE_TYPE in entry.annotations or entry.artifact_type:
        return True
    return entry.platform is not None and _UNKNOWN in (entry.platform.os, entry.platform.architecture)
