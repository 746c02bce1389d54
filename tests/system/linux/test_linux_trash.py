"""Deleting in the background: whoever ends does not wait for it for long, and the next start finishes it."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pier.linux.mount import unmount
from pier.linux.trash import Trash

FREEZE: Final = 0xC0045877
THAW: Final = 0xC0045878


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which can be made to stand still (ioctl_fs(2): FIFREEZE)."""
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        unmount(place, detach=True)


def test_all_of_it_goes(disk: Path) -> None:
    (disk / "trash").mkdir()
    trash = Trash(disk / "trash")
    for number in range(20):
        (disk / "tree").mkdir()
        (disk / "tree" / str(number)).write_text("x")
        trash.take(disk / "tree")
        assert not (disk / "tree").exists()
    trash.close()
    assert os.listdir(disk / "trash") == []


def test_an_end_does_not_wait_for_a_disk_that_stands_still(disk: Path) -> None:
    for name in ("trash", "tree"):
        (disk / name).mkdir()
    (disk / "tree" / "file").write_text("x")
    trash = Trash(disk / "trash")
    descriptor = os.open(disk, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.rename(disk / "tree", disk / "trash" / "moved")
        fcntl.ioctl(descriptor, FREEZE, 0)
        try:
            trash.empty()
            trash.close(0.1)
            assert os.listdir(disk / "trash") == ["moved"]
        finally:
            fcntl.ioctl(descriptor, THAW, 0)
    finally:
        os.close(descriptor)
    while os.listdir(disk / "trash"):  # what had begun goes on
        pass
