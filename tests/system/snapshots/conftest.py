"""A snapshotter in a folder of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pier.linux.mount import unmount
from pier.log import set_tracer
from pier.metadata.db import Database
from pier.metadata.journal import SqliteJournal
from pier.snapshots.overlay import OverlaySnapshotter


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    root.mkdir()
    yield root
    set_tracer(None)
    left = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]
    for target in reversed(left):
        unmount(Path(target), detach=True)


@pytest.fixture
def reopen(root: Path) -> Callable[[], OverlaySnapshotter]:
    """Makes a snapshotter over ``root`` as a new pierd does: with a connection of its own, recovered."""

    def open_again() -> OverlaySnapshotter:
        snapshots = OverlaySnapshotter(root, SqliteJournal(Database(root / "pier.db")))
        snapshots.recover()
        return snapshots

    return open_again


@pytest.fixture
def snapshots(reopen: Callable[[], OverlaySnapshotter]) -> Iterator[OverlaySnapshotter]:
    made = reopen()
    yield made
    made.close()
