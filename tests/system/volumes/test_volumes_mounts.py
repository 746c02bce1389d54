"""Volumes that are mounted while they are used."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.errors import Internal
from pier.linux.mount import mounted, unmount
from pier.metadata.db import Database
from pier.metadata.journal import SqliteJournal
from pier.metadata.volumes import SqliteVolumeStore
from pier.volumes.service import Volumes


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Volumes]:
    database = Database(":memory:")
    service = Volumes(tmp_path / "volumes", SqliteVolumeStore(database), SqliteJournal(database), lambda name: [])
    service.start()
    yield service
    for volume in service.list():
        if mounted(Path(volume.mountpoint)):
            unmount(Path(volume.mountpoint))


def test_mounted_from_the_first_use_to_the_last(volumes: Volumes) -> None:
    volumes.create("mem", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,nosuid"})
    path = volumes.acquire("mem", "c1")
    assert volumes.acquire("mem", "c2") == path and mounted(path)
    assert os.statvfs(path).f_blocks * os.statvfs(path).f_frsize == 1 << 20
    (path / "file").write_text("x")
    volumes.release("mem", "c1")
    assert (path / "file").exists()
    volumes.release("mem", "c2")
    volumes.release("mem", "c2")
    assert not mounted(path) and os.listdir(path) == []


def test_bind(volumes: Volumes, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("bound")
    volumes.create("bound", options={"type": "none", "device": str(tmp_path / "there"), "o": "bind"})
    path = volumes.acquire("bound", "c1")
    assert (path / "file").read_text() == "bound"
    volumes.remove("bound")
    assert (tmp_path / "there" / "file").exists()


def test_failed_mount_is_worded_as_dockers(volumes: Volumes) -> None:
    volume = volumes.create("bad", options={"type": "tmpfs", "device": "tmpfs", "o": "size=bad"})
    with pytest.raises(Internal) as caught:
        volumes.acquire("bad", "c1")
    where = volume.mountpoint
    assert str(caught.value) == (
        f"error while mounting volume '{where}': failed to mount local volume: "
        f"mount tmpfs:{where}, data: size=bad: invalid argument"
    )
