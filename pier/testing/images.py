"""For tests of images: a whole image store in a folder, tars to fill it with, and what the user was told."""

import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pier.content.local import LocalContentStore
from pier.events.bus import EventBus
from pier.images.deps import Images
from pier.metadata.db import Database
from pier.metadata.images import SqliteImageStore
from pier.metadata.journal import SqliteJournal
from pier.snapshots.overlay import OverlaySnapshotter


class Told(list[dict[str, Any]]):
    """Progress messages as they came."""

    def __call__(self, message: dict[str, Any]) -> None:
        self.append(message)

    def statuses(self, key: str = "") -> list[str]:
        """The texts about one layer, or about none, each once in a row."""
        texts = [each["status"] for each in self if "status" in each and each.get("id", "") == key]
        return [text for index, text in enumerate(texts) if index == 0 or texts[index - 1] != text]


def make_images(root: Path) -> Images:
    """A whole image store below ``root``; over one that is there, as a new daemon opens it."""
    root.mkdir(exist_ok=True)
    database = Database(root / "pier.db")
    journal = SqliteJournal(database)
    tmp = root / "tmp"
    tmp.mkdir(exist_ok=True)
    content, snapshots = LocalContentStore(root / "content"), OverlaySnapshotter(root, journal)
    return Images(content, snapshots, SqliteImageStore(database), journal, EventBus(), tmp)


def layer_tar(**files: bytes) -> bytes:
    """A tar of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


def layers_left(images: Images) -> list[str]:
    """What the snapshotter holds, half-made or whole: folders of layers."""
    root = images.tmp.parent / "overlay2"
    return sorted(name for name in os.listdir(root) if name not in ("l", ".new", ".trash")) if root.exists() else []
