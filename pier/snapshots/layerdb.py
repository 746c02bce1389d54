"""Where the overlay snapshotter keeps what it knows: small files, in the folders where Docker has them.

image/overlay2/layerdb/sha256/<chain>/   diff cache-id parent size tar-size skeleton      one layer
image/overlay2/layerdb/mounts/<container>/   mount-id init-id parent                      one rw snapshot
overlay2/<cache id>/   diff link lower [work merged]
overlay2/l/<link>      short symlinks to ../<cache id>/diff
overlay2/.new/         where the folder of a layer is made, before it is renamed: see ``Places.new_folder``
overlay2/.trash/       renamed, about to be deleted
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.errors import DataCorrupted, InvalidArgument
from pier.linux.allocate import spread_children
from pier.log import trace
from pier.oci.digest import Digest, from_hex, hex_of, parse_digest
from pier.snapshots.diff import SKELETON
from pier.snapshots.snapshotter import Layer

SCRATCH: Final = "scratch"
_LINK_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_LINK_LENGTH: Final = 26


@dataclass(frozen=True, slots=True)
class RwRecord:
    """One container's rw snapshot. ``init_id``: the folder between it and its image."""

    container_id: str
    mount_id: str
    init_id: str
    parent: Digest | None


class Places:
    """Paths below the data root."""

    def __init__(self, root: Path) -> None:
        self.overlay = root / "overlay2"
        self.links = self.overlay / "l"
        self.new = self.overlay / ".new"
        self.trash = self.overlay / ".trash"
        self.layers = root / "image" / "overlay2" / "layerdb" / "sha256"
        self.mounts = self.layers.with_name("mounts")
        self.drafts = self.layers.with_name("tmp")

    def make(self) -> None:
        for folder in (self.links, self.new, self.trash, self.layers, self.mounts, self.drafts):
            folder.mkdir(mode=0o710, parents=True, exist_ok=True)
        for half_made in self.new.iterdir():
            half_made.rmdir()
        spread_children(self.new)

    def cache(self, cache_id: str) -> Path:
        return self.overlay / cache_id

    def layer(self, chain_id: Digest) -> Path:
        return self.layers / hex_of(chain_id)

    def rw(self, container_id: str) -> Path:
        return self.mounts / container_id

    def link_of(self, cache_id: str) -> str:
        """The short name of a cache folder. FileNotFoundError where there is none."""
        return (self.cache(cache_id) / "link").read_text()

    def lower_of(self, cache_id: str) -> str:
        """``l/A:l/B``: the layers below, top first; empty for a base."""
        try:
            return (self.cache(cache_id) / "lower").read_text()
        except FileNotFoundError:
            return ""

    def chain_of(self, cache_id: str) -> str:
        """``l/A:l/B``: the layer itself and those below it."""
        below = self.lower_of(cache_id)
        return f"l/{self.link_of(cache_id)}" + (f":{below}" if below else "")

    def absolute(self, chain: str) -> str:
        """``chain`` as the value of a ``lowerdir`` option."""
        return ":".join(f"{self.overlay}/{link}" for link in chain.split(":"))

    def real(self, chain: str) -> str:
        """``chain`` with the folders that the links stand for, as ``inspect`` shows it."""
        targets = (os.readlink(self.overlay / link).removeprefix("../") for link in chain.split(":"))
        return ":".join(f"{self.overlay}/{target}" for target in targets)

    def new_folder(self, cache_id: str, *, link: str | None = None, many_files: bool = False) -> Path:
        """Make a cache folder with its ``diff`` and its link.

        ``many_files`` will come into it, maybe beside those of other layers: on ext4 they get block groups of their
        own. Layers in one would wait for each other's allocations; and where other layers have just been removed, each
        new file looks through all inodes that were freed in the last minute, since ext4 uses none of them so soon.
        """
        folder = self.cache(cache_id)
        if many_files:
            (self.new / cache_id).mkdir(mode=0o710)
            trace("layer:placed")
            os.rename(self.new / cache_id, folder)
        else:
            folder.mkdir(mode=0o710)
        (folder / "diff").mkdir(mode=0o755)
        self.new_link(folder, cache_id, link or new_link_name())
        return folder

    def new_link(self, folder: Path, cache_id: str, link: str) -> None:
        write(folder / "link", link)
        os.symlink(f"../{cache_id}/diff", self.links / link)

    def drop_link(self, folder: Path) -> None:
        """Remove the link of the cache folder ``folder``, where it has one. On a full disk its name may be missing."""
        try:
            link = (folder / "link").read_text()
        except FileNotFoundError:
            return
        if link:
            (self.links / link).unlink(missing_ok=True)


def new_link_name() -> str:
    return "".join(secrets.choice(_LINK_DIGITS) for _ in range(_LINK_LENGTH))


def new_cache_id() -> str:
    return secrets.token_hex(32)


def write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        data = text.encode()
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
    finally:
        os.close(descriptor)


def write_layer(places: Places, layer: Layer, skeleton: Path | None) -> None:
    """Record ``layer``: the folder appears whole, or not at all."""
    with _drafted(places, places.layer(layer.chain_id)) as draft:
        write(draft / "diff", layer.diff_id)
        write(draft / "cache-id", layer.cache_id)
        write(draft / "size", str(layer.size))
        write(draft / "tar-size", str(layer.tar_size))
        if layer.parent is not None:
            write(draft / "parent", layer.parent)
        if skeleton is not None:
            os.rename(skeleton, draft / SKELETON)


@contextmanager
def _drafted(places: Places, target: Path) -> Iterator[Path]:
    """A folder that becomes ``target`` at the end of the block, or is gone when that fails."""
    draft = places.drafts / secrets.token_hex(8)
    draft.mkdir(mode=0o700)
    try:
        yield draft
        os.rename(draft, target)
    except BaseException:
        shutil.rmtree(draft)
        raise


def read_layers(places: Places) -> Iterator[Layer]:
    """All recorded layers; DataCorrupted for a record that cannot be read."""
    for folder in places.layers.iterdir():
        try:
            yield _read_layer(places, folder)
        except (OSError, ValueError, InvalidArgument) as error:
            raise DataCorrupted(f"layer record {folder} is damaged: {error}") from error


def _read_layer(places: Places, folder: Path) -> Layer:
    parent = folder / "parent"
    skeleton = folder / SKELETON
    cache_id = (folder / "cache-id").read_text()
    return Layer(
        chain_id=from_hex(folder.name),
        diff_id=parse_digest((folder / "diff").read_text()),
        parent=parse_digest(parent.read_text()) if parent.exists() else None,
        cache_id=cache_id,
        size=int((folder / "size").read_text()),
        tar_size=int((folder / "tar-size").read_text()),
        root=places.cache(cache_id) / "diff",
        skeleton=skeleton if skeleton.exists() else None,
    )


def write_rw(places: Places, record: RwRecord) -> None:
    """Record a rw snapshot: the folder appears whole, or not at all."""
    with _drafted(places, places.rw(record.container_id)) as draft:
        write(draft / "mount-id", record.mount_id)
        write(draft / "init-id", record.init_id)
        if record.parent is not None:
            write(draft / "parent", record.parent)


def read_rws(places: Places) -> Iterator[RwRecord]:
    for folder in places.mounts.iterdir():
        parent = folder / "parent"
        try:
            yield RwRecord(
                folder.name,
                (folder / "mount-id").read_text(),
                (folder / "init-id").read_text(),
                parse_digest(parent.read_text()) if parent.exists() else None,
            )
        except (OSError, InvalidArgument) as error:
            raise DataCorrupted(f"snapshot record {folder} is damaged: {error}") from error


def clear_drafts(places: Places) -> None:
    for draft in places.drafts.iterdir():
        shutil.rmtree(draft)
