"""Uploads and blobs as the registry's records keep them, in memory: for tests of what is built on them alone."""

from collections.abc import Callable

import msgspec

from pier.oci.digest import Digest
from pier.registry.model import Blob, Upload
from pier.registry.records import CONDEMNED
from pier.registry.refusals import Code, Refusal


class MemoryUploads:
    """The part of :class:`pier.registry.records.Records` that :mod:`pier.registry.blobs` asks.

    ``before`` is called with a method's name before it does anything: a test may raise there, or do something first.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self.blobs: dict[Digest, Blob] = {}
        self.leases: dict[tuple[str, Digest], int] = {}
        self.before: Callable[[str], None] = lambda name: None

    async def project(self, name: str) -> None:
        return None

    async def begin_upload(self, upload: Upload) -> None:
        self.before("begin_upload")
        self.uploads[upload.id] = upload

    async def upload(self, repository: str, id: str) -> Upload | None:
        self.before("upload")
        found = self.uploads.get(id)
        return found if found and found.repository == repository else None

    async def advance_upload(self, id: str, before: int, offset: int, state: bytes, now: int) -> bool:
        self.before("advance_upload")
        found = self.uploads.get(id)
        if found is None or found.offset != before:
            return False
        self.uploads[id] = msgspec.structs.replace(found, offset=offset, state=state, touched=now)
        return True

    async def end_upload(self, id: str) -> None:
        self.before("end_upload")
        self.uploads.pop(id, None)

    async def add_blob(self, repository: str, upload_id: str, blob: Blob, lease: int, holder: str = "") -> Blob:
        self.before("add_blob")
        found = self.uploads.get(upload_id)
        if found is None or found.offset == CONDEMNED:
            raise Refusal(Code.BLOB_UPLOAD_UNKNOWN, "blob upload unknown to registry")
        self.leases[repository, blob.digest] = lease
        known = self.blobs.setdefault(blob.digest, blob)
        if known is blob:
            del self.uploads[upload_id]
        else:
            self.uploads[upload_id] = msgspec.structs.replace(found, offset=CONDEMNED)
        return known

    async def blob(self, repository: str, digest: Digest, lease: int = 0, holder: str = "") -> Blob | None:
        self.before("blob")
        if (repository, digest) not in self.leases:
            return None
        self.leases[repository, digest] = max(lease, self.leases[repository, digest])
        return self.blobs[digest]

    async def mount_blob(
        self, repository: str, source: str, digest: Digest, lease: int, holder: str = ""
    ) -> Blob | None:
        self.before("mount_blob")
        if (source, digest) not in self.leases:
            return None
        self.leases[repository, digest] = lease
        return self.blobs[digest]

    async def unlink_blob(self, repository: str, digest: Digest) -> bool:
        self.before("unlink_blob")
        return self.leases.pop((repository, digest), None) is not None
