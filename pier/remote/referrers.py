"""What refers to a manifest: signatures, bills of materials, and whatever else is attached to images."""

from typing import Final

from pier.errors import DataCorrupted, NotFound, Unsupported
from pier.oci.digest import Digest
from pier.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Index, parse_manifest
from pier.oci.mediatypes import OCI_INDEX
from pier.remote.fetch import next_page
from pier.remote.repository import Repository, Request

_MOST_PAGES: Final = 1000
_MOST: Final = 100_000


async def referrers(repository: Repository, subject: Digest, artifact_type: str = "") -> list[Descriptor]:
    """What refers to the manifest ``subject`` (signatures, bills of materials), of one type where that is given.

    A registry that does not know of referrers may have their list under a tag (OCI distribution 1.1, "Referrers tag
    schema").
    """
    found: list[Descriptor] = []
    request: Request | None = Request("GET", f"referrers/{subject}", headers={"Accept": OCI_INDEX})
    for _ in range(_MOST_PAGES):
        assert request is not None
        try:
            answer, data = await repository.read(request, MAX_MANIFEST_BYTES)
        except (NotFound, Unsupported):
            found = await _tagged_referrers(repository, subject)
            break
        found += _entries(data, answer.headers.get("Content-Type", ""))
        request = next_page(answer)
        if request is None or len(found) > _MOST:
            break
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
