"""Several layers as one: what ``--squash`` puts on top of the base.

The layers' folders are laid over each other in a folder of its own, files as hard links; whiteouts and opaque folders
stay where what is below them may be hidden. No name is followed: only folders that were just made are entered.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pier.build.threads import in_thread
from pier.images.deps import Images
from pier.linux.files import disk_errors, is_opaque, is_whiteout
from pier.linux.trees import remove_tree
from pier.oci.digest import Digest
from pier.oci.image import chain_ids
from pier.snapshots import diff
from pier.snapshots.snapshotter import Layer

_OPAQUE: Final = "trusted.overlay.opaque"


async def flatten(images: Images, below: Sequence[Digest], layers: Sequence[Layer]) -> Digest:
    """One layer on top of ``below`` that changes what ``layers`` change; its diff ID. Raises NoSpace."""
    scratch = images.snapshots.begin_layer()
    writer = images.snapshots.begin_layer()
    try:
        await in_thread(_overlay_all, layers, scratch.root)
        applied = await diff.apply_layer(aiter(diff.write_diff(scratch.root)), writer)
        parent = chain_ids(below)[-1] if below else None
        writer.commit(parent, applied.diff_id, applied.size, applied.skeleton)
    finally:
        writer.abort()
        scratch.abort()
    return applied.diff_id


def _overlay_all(layers: Sequence[Layer], target: Path) -> None:
    with disk_errors():
        for layer in layers:
            _overlay(layer.root, target)


def _overlay(source: Path, target: Path) -> None:
    """Lay the tree ``source`` over ``target``."""
    folders = [(source, target)]
    for upper, lower in folders:
        with os.scandir(upper) as entries:
            for entry in entries:
                status, place = entry.stat(follow_symlinks=False), lower / entry.name
                if stat.S_ISDIR(status.st_mode):
                    _folder(upper / entry.name, place)
                    folders.append((upper / entry.name, place))
                else:
                    _remove(place)
                    os.link(upper / entry.name, place, follow_symlinks=False)
    for upper, lower in reversed(folders):
        shutil.copystat(upper, lower, follow_symlinks=False)


def _folder(upper: Path, place: Path) -> None:
    """Make ``place`` the folder that ``upper`` is, with what it had where that shows through."""
    before = _status(place)
    opaque = is_opaque(upper)
    if before is not None and (opaque or not stat.S_ISDIR(before.st_mode)):
        opaque = opaque or is_whiteout(before) or not stat.S_ISDIR(before.st_mode)
        _remove(place)
        before = None
    if before is None:
        place.mkdir(mode=0o700)
    if opaque:
        os.setxattr(place, _OPAQUE, b"y", follow_symlinks=False)
    status = upper.lstat()
    os.chown(place, status.st_uid, status.st_gid, follow_symlinks=False)


def _remove(place: Path) -> None:
    status = _status(place)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        remove_tree(place)
    else:
        place.unlink()


def _status(place: Path) -> os.stat_result | None:
    try:
        return place.lstat()
    except FileNotFoundError:
        return None
