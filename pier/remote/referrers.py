"""What refers to a manifest: signatures, bills of materials, and whatever else is attached to images."""

from contextlib import aclosing

from pier.errors import DataCorrupted, NotFound, Unsupported
from pier.oci.digest import Digest
from pier.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Index, parse_manifest
from pier.oci.mediatypes import OCI_INDEX
from pier.remote.pages import pages
from pier.remote.repository import Repository, Request


async def referrers(repository: Repository, subject: Digest, artifact_type: str = "") -> list[Descriptor]:
    """What refers to the manifest ``subject`` (signatures, bills of materials), of one type where that is given.

    A registry that does not know of referrers may have their list under a tag (OCI distribution 1.1, "Referrers tag
    schema").
    """
    found: list[Descriptor] = []
    first = Request("GET", f"referrers/{subject}", headers={"Accept": OCI_INDEX})
    try:
        async with aclosing(pages(repository, first, MAX_MANIFEST_BYTES)) as bodies:
            async for answer, data in bodies:
                found += _entries(data, answer.headers.get("Content-Type", ""))
    except (NotFound, Unsupported):
        found = await _tagged_referrers(repository, subject)
    return [each for each in found if not artifact_type or each.artifact_type == artifact_type]


async def _tagged_referrers(repository: Repository, subject: Digest) -> list[Descriptor]:
    request = Request("GET", f"manifests/{subject.replace(':', '-')}", headers={"Accept": OCI_INDEX})
    try:
        answer, data = await repository.read(request, MAX_MANIFEST_BYTES)
    except NotFound:
        return []
    return _entries(data, answer.headers.get("Content-Type", ""))


def _entries(data: bytes, media_type: str) -> list[Descriptor]:
    index = parse_manifest(data, media_type)
    if not isinstance(index, Index):
        raise DataCorrupted("the registry's list of referrers is no index")
    return list(index.manifests)
