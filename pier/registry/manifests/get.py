"""A manifest goes out; the tags, the catalogue and what refers to a manifest are listed."""

from pier.oci.digest import Digest, is_digest
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.model import Manifest, Referrer
from pier.registry.refusals import Code, Refusal


async def get(registry: Registry, repository: str, reference: str, *, pull: bool = True) -> Manifest:
    """The manifest that a tag or digest names. ``pull``: it counts as one.

    Raises Refusal MANIFEST_UNKNOWN, also for a reference that nothing could have.
    """
    found = await registry.records.manifest(names.repository(repository), reference)
    if found is None:
        raise unknown(reference)
    if pull:
        registry.pulls.note(repository, reference)
    return found


def unknown(reference: str) -> Refusal:
    kind = "digest" if is_digest(reference) else "tag"
    return Refusal(Code.MANIFEST_UNKNOWN, "manifest unknown", {kind: reference[:255]})


async def tags(registry: Registry, repository: str, after: str = "", limit: int = 0) -> list[str]:
    """Names in their order, beyond ``after``. Raises Refusal NAME_UNKNOWN."""
    found = await registry.records.tags(names.repository(repository), after, limit)
    return [tag.name for tag in found]


async def referrers(
    registry: Registry, repository: str, subject: Digest, artifact_type: str = "", after: str = "", limit: int = 0
) -> list[Referrer]:
    """What says that it belongs to ``subject``, which need not be here; in order of digests, beyond ``after``."""
    return await registry.records.referrers(names.repository(repository), subject, artifact_type, after, limit)
