"""Making an image of a tar of a root file system."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pier.errors import InvalidArgument
from pier.images.changes import apply_changes
from pier.images.deps import Images, Progress
from pier.images.image import Image
from pier.images.notify import publish
from pier.images.register import register
from pier.images.tag import tag_id
from pier.oci.digest import Digest
from pier.oci.image import (
    ExecutionConfig,
    HistoryEntry,
    ImageConfig,
    RootFS,
    chain_id,
    chain_ids,
    encode_config,
)
from pier.oci.platform import Platform, host_platform
from pier.oci.reference import Reference
from pier.snapshots import diff


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """``changes``: Dockerfile instructions; ``message``: the comment; ``config``: what the changes begin from."""

    reference: Reference | None = None
    changes: tuple[str, ...] = ()
    message: str = ""
    platform: Platform | None = None
    config: ExecutionConfig = field(default_factory=ExecutionConfig)


async def import_tar(images: Images, stream: AsyncIterator[bytes], options: ImportOptions, progress: Progress) -> Image:
    """An image of one layer: the tar in ``stream``, plain or compressed. Reports its ID.

    Raises InvalidArgument for a bad change or another system than Linux, DataCorrupted ("unexpected EOF"...) for a
    bad tar, NoSpace.
    """
    if options.platform is not None and options.platform.os != "linux":
        raise InvalidArgument("operating system is not supported")
    execution = apply_changes(options.config, options.changes)
    writer = images.snapshots.begin_layer()
    try:
        applied = await diff.apply_layer(stream, writer)
        with images.pins.hold([chain_id(None, applied.diff_id)]):
            writer.commit(None, applied.diff_id, applied.size, applied.skeleton)
            image = await register(images, _config(execution, options, [applied.diff_id]))
    finally:
        writer.abort()
    if options.reference is not None:
        tag_id(images, image.id, options.reference.with_default_tag())
    publish(images, "import", image.id)
    progress({"status": image.id})
    return images.store.get(image.id) or image


def _config(execution: ExecutionConfig, options: ImportOptions, diff_ids: list[Digest]) -> bytes:
    platform = options.platform or host_platform()
    created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    comment = options.message or "Imported from -"
    config = ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        rootfs=RootFS("layers", diff_ids),
        config=execution,
        created=created,
        comment=comment,
        history=[HistoryEntry(created=created, comment=comment)],
    )
    return encode_config(config)


async def commit_upper(
    images: Images,
    container_id: str,
    parent: Image | None,
    execution: ExecutionConfig,
    entry: HistoryEntry,
    author: str = "",
) -> Image:
    """An image of ``parent`` and what a container changed on top of it. For ``docker commit``.

    ``entry`` describes the new layer in the history. The container's own chain must be that of ``parent``.
    """
    below = images.snapshots.rw_parent(container_id)
    diff_ids = list(parent.diff_ids) if parent else []
    packing = diff.write_diff(images.snapshots.upper(container_id))
    writer = images.snapshots.begin_layer()
    try:
        applied = await diff.apply_layer(aiter(packing), writer)
        diff_ids.append(applied.diff_id)
        with images.pins.hold(chain_ids(diff_ids)):
            writer.commit(below, applied.diff_id, applied.size, applied.skeleton)
            config = _child_config(parent, execution, entry, author, diff_ids)
            image = await register(images, encode_config(config), parent=parent.id if parent else None)
    finally:
        writer.abort()
    return image


def _child_config(
    parent: Image | None, execution: ExecutionConfig, entry: HistoryEntry, author: str, diff_ids: list[Digest]
) -> ImageConfig:
    platform = host_platform()
    base = parent.config if parent else None
    return ImageConfig(
        architecture=base.architecture if base else platform.architecture,
        os=base.os if base else platform.os,
        variant=base.variant if base else platform.variant,
        rootfs=RootFS("layers", diff_ids),
        config=execution,
        created=entry.created,
        author=author,
        comment=entry.comment,
        history=[*(base.history if base else []), entry],
    )
