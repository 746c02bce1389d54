"""A manifest goes, or a tag."""

from pier.oci.digest import Digest, is_digest
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.happenings import Happening
from pier.registry.manifests.get import unknown
from pier.registry.model import Job
from pier.registry.records import Plan


async def delete(registry: Registry, repository: str, reference: str, by: str = "") -> Digest:
    """Delete a manifest by its digest, with its tags; or a tag, with its manifest where nothing else names that.

    Returns what went, or lost its tag. Raises Refusal: MANIFEST_UNKNOWN, DENIED.
    """
    names.repository(repository)
    keep, plan = registry.keep(), deletion(registry, repository, by)
    if is_digest(reference):
        await registry.records.delete_manifest(repository, Digest(reference), keep, plan)
        return Digest(reference)
    if ":" in reference:
        raise unknown(reference)
    return await registry.records.delete_tag(repository, reference, keep, plan=plan)


def deletion(registry: Registry, repository: str, by: str) -> Plan:
    """What is to do after a manifest of ``repository`` has gone, or a tag of it."""

    def plan(digest: Digest, tags: list[str]) -> list[Job]:
        return registry.plan(
            Happening(kind="delete", repository=repository, digest=digest, tags=tuple(tags), by=by, at=registry.now())
        )

    return plan
