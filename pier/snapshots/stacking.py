"""Folders of the cache as overlay mounts: which lie on which, with which options, and how ``inspect`` shows it.

A chain is ``l/A:l/B``, the top first (see :class:`pier.snapshots.layerdb.Places`).
"""

import os
from pathlib import Path
from typing import Final

from pier.linux.mount import Mount
from pier.snapshots.layerdb import Places

_OPTIONS: Final = ("index=off", "metacopy=off", "redirect_dir=off")


def on_top(places: Places, chain: str, folder: Path, target: Path) -> Mount:
    """The files of the cache folder ``folder`` on top of ``chain``; what is written goes to ``folder``."""
    folders = (f"lowerdir={places.absolute(chain)}", f"upperdir={folder / 'diff'}", f"workdir={folder / 'work'}")
    return Mount("overlay", "overlay", target, (*folders, *_OPTIONS))


def read_only(places: Places, chain: str, target: Path) -> Mount:
    """``chain`` has two members or more: overlayfs takes no single one."""
    return Mount("overlay", "overlay", target, (f"lowerdir={places.absolute(chain)}", *_OPTIONS, "ro"))


def graph(places: Places, folder: Path) -> dict[str, str]:
    """``GraphDriver.Data`` of ``inspect`` (Docker's API)."""
    lower = places.lower_of(folder.name)
    below = {"LowerDir": places.real(lower)} if lower else {}
    upper, work = str(folder / "diff"), str(folder / "work")
    return {**below, "MergedDir": str(folder / "merged"), "UpperDir": upper, "WorkDir": work}


def make_like(folder: Path, model: Path) -> None:
    """Give ``folder`` the owner and the mode of ``model``: an overlay shows those of its uppermost root."""
    status = os.stat(model)
    os.chown(folder, status.st_uid, status.st_gid)
    os.chmod(folder, status.st_mode & 0o7777)
