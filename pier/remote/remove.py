"""Deleting on a registry."""

from typing import Final

from pier.errors import Conflict, InvalidArgument, NotFound, Unsupported
from pier.oci.digest import Digest
from pier.oci.reference import Reference
from pier.remote import fetch
from pier.remote.repository import Repository, Request

_DONE: Final = (200, 202, 204)


async def remove_tag(repository: Repository, tag: str) -> bool:
    """Whether it was there. A registry that deletes manifests alone is asked for that, if no other tag names it.

    Raises Conflict where one does; Forbidden, Unsupported where the registry deletes nothing.
    """
    digest = await _digest(repository, tag)
    if digest is None:
        return False
    try:
        return await _remove(repository, tag)
    except (InvalidArgument, Unsupported, NotFound):
        pass
    for other in await fetch.tags(repository):
        if other != tag and await _digest(repository, other) == digest:
            raise Conflict(f"the registry deletes no tags, and {other} names the same manifest as {tag}")
    return await _remove(repository, digest)


async def _digest(repository: Repository, tag: str) -> Digest | None:
    reference = repository.reference
    return await fetch.manifest_digest(repository, Reference(reference.domain, reference.path, tag=tag))


async def _remove(repository: Repository, reference: str) -> bool:
    scopes = (f"repository:{repository.name}:pull,push,delete",)
    answer = await repository.open(Request("DELETE", f"manifests/{reference}", ok=(*_DONE, 404), scopes=scopes))
    answer.release()
    return answer.status != 404
