"""Large contexts: what is held in memory of each file."""

import os
import tracemalloc
from pathlib import Path

import pytest

from pier.build.context.digests import digest
from pier.build.context.files import Selector
from pier.build.context.listing import NOT_TRUSTED, SIZE
from pier.build.context.select import opened_tree
from pier.build.context.statcache import Known

FILES = 5_000
MOST = 150  # bytes for each file; a stat_result of each made it more than 850, a tuple 600


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(FILES // 500):
        (tmp_path / f"d{number}").mkdir()
        for file in range(500):
            (tmp_path / f"d{number}/file{file}").touch()
    return tmp_path


def test_little_is_held_of_each_file(many: Path) -> None:
    known = Known()
    with opened_tree(many) as tree:
        first = digest(tree, Selector(("/",)), None, known, owned=False)
        while NOT_TRUSTED in (
            known.facts[at : at + SIZE] for at in range(0, len(known.facts), SIZE)
        ):  # written too shortly before it was read
            digest(tree, Selector(("/",)), None, known, owned=False)
        tracemalloc.start()
        try:
            assert digest(tree, Selector(("/",)), None, known, owned=False) == first
            assert tracemalloc.get_traced_memory()[1] < FILES * MOST
        finally:
            tracemalloc.stop()


def test_devices_count_by_their_numbers(tmp_path: Path) -> None:
    found = set()
    with opened_tree(tmp_path) as tree:
        for minor in (3, 5):
            os.mknod(tmp_path / "node", 0o020666, os.makedev(1, minor))
            found.add(digest(tree, Selector(("/",)), None, None, owned=False))
            os.unlink(tmp_path / "node")
    assert len(found) == 2
