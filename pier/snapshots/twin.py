"""The same layer once more, on other layers: a folder of its own, whose files are hard links to the first one's."""

import errno
import os
import shutil
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from pier.linux.files import disk_errors
from pier.oci.digest import Digest
from pier.snapshots.diff import REPLACED, SKELETON
from pier.snapshots.snapshotter import Layer, Skeleton, Snapshotter

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def twin(snapshots: Snapshotter, layer: Layer, parent: Digest | None) -> Layer:
    """``layer``'s diff on top of ``parent``. No data is copied, and either may be removed first.

    Layers are never changed: an overlay copies a file up before it is written. Blocks. Raises NoSpace.
    """
    writer = snapshots.begin_layer()
    try:
        with disk_errors():
            _link_tree(layer.root, writer.root)
            skeleton = None
            if layer.skeleton is not None:
                os.link(layer.skeleton, writer.side / SKELETON)
                (writer.side / REPLACED).mkdir(mode=0o700)
                _link_tree(layer.root.parent / REPLACED, writer.side / REPLACED)
                skeleton = Skeleton(writer.side / SKELETON, layer.tar_size)
        return writer.commit(parent, layer.diff_id, layer.size, skeleton)
    finally:
        writer.abort()


def _link_tree(source: Path, target: Path) -> None:
    with ExitStack() as stack:
        prefixes = []
        for folder in (source, target):
            descriptor = os.open(folder, _FOLDER)
            stack.callback(os.close, descriptor)
            prefixes.append(b"/proc/self/fd/%d/" % descriptor)
        _link_below(*prefixes)


def _link_below(source: bytes, target: bytes) -> None:
    folders, stack = [b"."], [b""]
    while stack:
        folder = stack.pop()
        for name in os.listdir(source + (folder or b".")):
            path = folder + b"/" + name if folder else name
            if stat.S_ISDIR(os.lstat(source + path).st_mode):
                os.mkdir(target + path, 0o700)
                folders.append(path)
                stack.append(path)
            else:
                _link(source + path, target + path)
    for path in reversed(folders):
        _copy_status(source + path, target + path)


def _link(source: bytes, target: bytes) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK or not stat.S_ISREG(os.lstat(source).st_mode):
            raise
        shutil.copyfile(source, target, follow_symlinks=False)
        _copy_status(source, target)


def _copy_status(source: bytes, target: bytes) -> None:
    """Of a folder or a regular file: owner, mode, extended attributes and times."""
    status = os.stat(source)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
