"""Which manifest of an index is meant (pure)."""

from collections.abc import Sequence
from typing import Final

from pier.errors import NotFound
from pier.oci.manifest import Descriptor, Index
from pier.oci.platform import Platform, host_platform, runnable

_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
_UNKNOWN: Final = "unknown"


def acceptable(platform: Platform | None) -> tuple[Platform, ...]:
    """The platforms to look for, best first: the one asked for, else what this host runs."""
    return (platform,) if platform else runnable(host_platform())


def choose(index: Index, wanted: Sequence[Platform]) -> Descriptor:
    """The first image of ``index`` that is for the best of ``wanted``. Attestations are no images.

    Raises NotFound in Docker's words.
    """
    images = [entry for entry in index.manifests if not _is_attestation(entry)]
    for platform in wanted:
        for entry in images:
            if entry.platform is not None and platform.matches(entry.platform):
                return entry
    for entry in images:
        if entry.platform is None:
            return entry
    raise NotFound(f"no matching manifest for {wanted[0]} in the manifest list entries")


def _is_attestation(entry: Descriptor) -> bool:
    if _REFERENCE_TYPE in entry.annotations or entry.artifact_type:
        return True
    return entry.platform is not None and _UNKNOWN in (entry.platform.os, entry.platform.architecture)
