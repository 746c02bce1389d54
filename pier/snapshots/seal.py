"""Sealing: an overlay's upper folder becomes a layer where it lies. Nothing is copied; its tar is only hashed."""

import asyncio
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pier.errors import DataCorrupted
from pier.linux import helper
from pier.linux.files import PATH_MAX, disk_errors
from pier.linux.helper_seal import seal as seal_here
from pier.linux.helper_tarheader import TarError
from pier.oci.digest import Digest
from pier.snapshots.diff import REPLACED, SKELETON
from pier.snapshots.snapshotter import LayerWriter, Skeleton

_FEW: Final = 64
_LITTLE: Final = 2 * 1024 * 1024
_NAME_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a folder turned out to be, for :meth:`LayerWriter.commit`.

    ``size`` counts the files' bytes only, as BuildKit does.
    """

    diff_id: Digest
    size: int
    skeleton: Skeleton


async def seal(writer: LayerWriter) -> Sealed:
    """Draw up the skeleton of ``writer.root``, an upper folder that is mounted no more and that nobody changes.

    A small one is done in a thread, others by a helper process (which takes 20 ms to start). Raises NoSpace.
    """
    with ExitStack() as stack:
        with disk_errors():
            skeleton = os.open(writer.side / SKELETON, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, skeleton)
            (writer.side / REPLACED).mkdir(mode=0o700)
        report = await asyncio.to_thread(_small, writer.root, skeleton) or await _large(writer.root, skeleton)
    tar_size = report["tar_size"]
    return Sealed(Digest(report["diff_id"]), report["size"], Skeleton(writer.side / SKELETON, tar_size))


async def _large(root: Path, skeleton: int) -> dict[str, Any]:
    running = await helper.start_seal(root, skeleton=skeleton)
    try:
        return await running.finish()
    finally:
        await running.kill()


def _small(root: Path, skeleton: int) -> dict[str, Any] | None:
    """The report; None where there is too much for a thread of the daemon."""
    if not _is_small(root):
        return None
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with disk_errors():
            return seal_here(skeleton, b"/proc/self/fd/%d/" % folder)
    except TarError as error:
        raise DataCorrupted(str(error)) from error
    finally:
        os.close(folder)


def _is_small(root: Path) -> bool:
    entries, size, stack = 0, 0, [os.fspath(root)]
    while stack:
        folder = stack.pop()
        if len(os.fsencode(folder)) + _NAME_MAX >= PATH_MAX:  # the helper's paths begin in the folder
            return False
        with os.scandir(folder) as found:
            for each in found:
                status = each.stat(follow_symlinks=False)
                entries, size = entries + 1, size + status.st_size
                if entries > _FEW or size > _LITTLE:
                    return False
                if stat.S_ISDIR(status.st_mode):
                    stack.append(each.path)
    return True
