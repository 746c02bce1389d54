"""``commit``: an image of what a container has become."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec

from pier.containers import pause
from pier.containers.announce import announce
from pier.containers.config import ContainerConfig
from pier.containers.deps import Deps
from pier.containers.merge import merge
from pier.containers.registry import Live
from pier.errors import Conflict
from pier.events.timestamps import rfc3339
from pier.images.changes import apply_changes
from pier.images.importing import commit_upper
from pier.images.tag import tag_id
from pier.oci.digest import Digest
from pier.oci.image import ExecutionConfig, HistoryEntry
from pier.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """``changes`` are Dockerfile instructions; ``config`` overrides the container's own, where it says something."""

    reference: Reference | None = None
    author: str = ""
    comment: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True
    config: ContainerConfig = field(default_factory=ContainerConfig)


async def commit(deps: Deps, reference: str, options: CommitOptions) -> Digest:
    """Make the image and return its ID. A running container stands still meanwhile if ``options.pause``.

    Conflict when the container is being removed; InvalidArgument for a wrong change.
    """
    live = deps.registry.find(reference)
    record = live.record
    if record.state.status in ("removing", "dead"):
        raise Conflict(f"You cannot commit container {record.id} which is being removed")
    execution = apply_changes(_execution(merge(options.config, _execution(record.config))), options.changes)
    entry = HistoryEntry(
        created=rfc3339(time.time_ns()),
        created_by=" ".join((record.path, *record.args)),
        author=options.author,
        comment=options.comment,
    )
    parent = deps.images.store.get(Digest(record.image_id))
    async with _still(deps, live, options.pause):
        image = await commit_upper(deps.images, record.id, parent, execution, entry, options.author)
    if options.reference is not None:
        tag_id(deps.images, image.id, options.reference)
    announce(deps, record, "commit", comment=options.comment, imageID=image.id, imageRef=str(options.reference or ""))
    return image.id


@asynccontextmanager
async def _still(deps: Deps, live: Live, wanted: bool) -> AsyncIterator[None]:
    if not wanted or live.record.state.status != "running":
        yield
        return
    await pause.pause(deps, live.record.id)
    try:
        yield
    finally:
        with suppress(Conflict):  # it was killed meanwhile, or somebody has let it go on
            await pause.unpause(deps, live.record.id)


def _execution(config: ContainerConfig) -> ExecutionConfig:
    """What of a container's configuration belongs into an image; its own host name does not."""
    shared = {name: value for name, value in msgspec.structs.asdict(config).items() if value is not None}
    shared.pop("hostname", None)
    shared.pop("domainname", None)
    return msgspec.convert(msgspec.to_builtins(ContainerConfig(**shared)), ExecutionConfig)
