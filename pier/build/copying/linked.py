"""COPY --link: whether a copy that was made by itself can lie on a base as it is; laying it there where it cannot."""

import os
import stat
from pathlib import Path

from pier.build.context.select import Found, opened_tree, walk
from pier.build.copying.landing import Attributes, Landing
from pier.build.copying.places import Places, join
from pier.linux.files import disk_errors


def lies(copied: Path, base: Path, dest: str) -> bool:
    """Whether the layers of ``copied`` on top of ``base`` are what a plain copy to ``dest`` would give. Blocks.

    They are not where the base has links on the way, or folders that are another's: those on top would hide them.
    """
    with opened_tree(copied) as there, opened_tree(base) as here:
        ours, theirs = Places(there, (0, 0)), Places(here, (0, 0))
        path = ""
        for part in [part for part in dest.split("/") if part]:
            path = join(path, part)
            above, below = ours.status(path), theirs.status(path)
            if above is None or below is None:
                return True
            if not stat.S_ISDIR(above.st_mode):
                return stat.S_ISREG(below.st_mode)
            if not _same(above, below) or _xattrs(ours, path) != _xattrs(theirs, path):
                return False
    return True


def land(there: int, here: int, dest: str, name: str) -> Landing:
    """List what is at ``dest`` in the copied tree, to be moved where ``dest`` leads in the other one. Blocks.

    Raises InvalidArgument for what is in the way.
    """
    copied = Places(there, (0, 0))
    path = dest.strip("/")
    status = copied.status(path)
    assert status is not None, "nothing was copied"
    folder = status if stat.S_ISDIR(status.st_mode) else copied.status(path.rpartition("/")[0])
    assert folder is not None
    landing = Landing(there, here, Attributes(None, None, owned=True), maker=(folder.st_uid, folder.st_gid))
    found = Found(path, name, status)
    with disk_errors():
        landing.put(found, walk(there, found, None) if found.is_folder else (), dest)
    return landing


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def _xattrs(places: Places, path: str) -> dict[str, bytes]:
    with places.opened(path) as folder:
        names = [name for name in os.listxattr(folder) if not name.startswith("trusted.overlay.")]
        return {name: os.getxattr(folder, name) for name in names}
