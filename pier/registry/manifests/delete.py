"""A manifest goes, or a tag."""

from pier.oci.digest import Digest, is_digest
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.happenings import Happening, tell
from pier.registry.manifests.get import unknown


async def delete(registry: Registry, repository: str, reference: str, by: str = "") -> Digest:
    """Delete a manifest by its digest, with its tags; or a tag, with its manifest where nothing else names that.

    Returns what went, or lost its tag. Raises Refusal: MANIFEST_UNKNOWN, DENIED.
    """
    names.repository(repository)
    keep = registry.keep()
    if is_digest(reference):
        digest = Digest(reference)
        tags = await registry.records.delete_manifest(repository, digest, keep)
    elif ":" in reference:
        raise unknown(reference)
    else:
        digest = await registry.records.delete_tag(repository, reference, keep)
        tags = [reference]
    happening = Happening(
        kind="delete", repository=repository, digest=digest, tags=tuple(tags), by=by, at=registry.now()
    )
    await tell(registry.observers, happening)
    return digest
