"""A blob of one repository is linked to another."""

from pier.errors import InvalidArgument
from pier.oci.digest import parse_digest
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.model import Blob
from pier.registry.refusals import Refusal


async def mount(registry: Registry, repository: str, source: str, digest: str, *, holder: str = "") -> Blob | None:
    """Have ``repository`` know the blob of ``source`` too, leased; None where there is nothing to mount.

    That is no error: the client brings the bytes then. Who may read ``source`` is the caller's business.
    """
    names.repository(repository)
    try:
        names.repository(source)
        wanted = parse_digest(digest)
    except (Refusal, InvalidArgument):
        return None
    until = registry.now() + registry.settings.lease
    return await registry.records.mount_blob(repository, source, wanted, until, holder)
