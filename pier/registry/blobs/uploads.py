"""Uploads as the records know them: begun, looked up, given up."""

import secrets

from pier.registry import names
from pier.registry.blobs.underway import Hash
from pier.registry.deps import Registry
from pier.registry.model import Upload
from pier.registry.records import CONDEMNED
from pier.registry.refusals import Code, Refusal, no_room

_LONGEST_ID = 64


async def begin(registry: Registry, repository: str, id: str = "", *, holder: str = "") -> Upload:
    """An upload without bytes; ``id``, where it is given, is that of no other.

    Raises Refusal: NAME_INVALID; DENIED where its project has no room. What the holder's push has brought before goes
    then: it would count until its lease ends, and keep smaller pushes out.
    """
    names.repository(repository)
    try:
        await _check_room(registry, names.project(repository))
    except Refusal:
        if holder:
            await registry.records.give_up(repository, holder)
        raise
    now = registry.now()
    upload = Upload(
        id=id or secrets.token_hex(16),
        repository=repository,
        location=registry.storage.location(),
        started=now,
        touched=now,
    )
    await registry.records.begin_upload(upload)
    registry.underway.remember(upload, Hash())
    return upload


async def _check_room(registry: Registry, name: str) -> None:
    """Before a client has sent bytes that no manifest of it could use."""
    project = await registry.records.project(name)
    if project is None or not project.quota:
        return
    used = (await registry.records.usage(name)).get(name, 0)
    if used >= project.quota:
        raise no_room(name, used, project.quota)


async def status(registry: Registry, repository: str, id: str) -> Upload:
    """How far it has come, durably. Raises Refusal BLOB_UPLOAD_UNKNOWN."""
    found = await registry.records.upload(repository, id) if len(id) <= _LONGEST_ID else None
    if found is None or found.offset < 0:
        raise unknown(id)
    return found


async def cancel(registry: Registry, repository: str, id: str) -> None:
    """Give it up: what was brought is deleted. Raises Refusal BLOB_UPLOAD_UNKNOWN."""
    upload = await status(registry, repository, id)
    while not await discard(registry, upload):
        upload = await status(registry, repository, id)


async def abandon(registry: Registry, repository: str, id: str) -> None:
    """Give it up where the storage does not answer: what was brought goes with a later collection."""
    upload = await status(registry, repository, id)
    registry.underway.forget(id)
    await registry.records.advance_upload(id, upload.offset, CONDEMNED, upload.state, 0)


async def discard(registry: Registry, upload: Upload) -> bool:
    """Delete it with its bytes; False, and nothing done, where it has moved on since ``upload`` was read.

    Nobody can make a blob of it once its row is condemned. Who dies after that leaves a row that is found as stale.
    """
    registry.underway.forget(upload.id)
    if not await registry.records.advance_upload(upload.id, upload.offset, CONDEMNED, upload.state, registry.now()):
        return False
    await registry.storage.delete(upload.location, upload.state)
    await registry.records.end_upload(upload.id)
    return True


def unknown(id: str) -> Refusal:
    return Refusal(Code.BLOB_UPLOAD_UNKNOWN, "blob upload unknown to registry", {"upload": id[:_LONGEST_ID]})


def out_of_order(upload: Upload, message: str = "invalid content range") -> Refusal:
    """With the range that is there, so that the client can go on behind it."""
    return Refusal(
        Code.RANGE_INVALID,
        message,
        {"upload": upload.id, "offset": upload.offset},
        {"Range": f"0-{max(upload.offset - 1, 0)}"},
    )
