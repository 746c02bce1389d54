"""Keeping logs small without losing a line."""

import asyncio
from pathlib import Path

import pytest

from pier.errors import Conflict
from pier.logs.files import kept, rotated
from pier.logs.rotate import Limits, adopt, remove, rotate


def replace(log: Path, text: str) -> None:
    """A new file at the log's path, as the supervisor makes it."""
    temporary = log.with_name("temporary")
    temporary.write_text(text)
    temporary.rename(log)


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def contents(log: Path) -> dict[str, str]:
    return {path.name.removeprefix("log"): path.read_text() for path in sorted(log.parent.glob("log*"))}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_replaced_file_moves_on(log: Path) -> None:
    limits = Limits(size=10, files=3)
    adopt(log, limits)
    assert contents(log) == {}
    replace(log, "one")
    adopt(log, limits)
    assert contents(log) == {"": "one", ".kept": "one"}
    assert log.samefile(kept(log))
    adopt(log, limits)
    replace(log, "two")
    adopt(log, limits)
    assert contents(log) == {"": "two", ".1": "one", ".kept": "two"}
    for text in ("three", "four"):
        replace(log, text)
        adopt(log, limits)
    assert contents(log) == {"": "four", ".1": "three", ".2": "two", ".kept": "four"}


def test_one_file_keeps_no_other(log: Path) -> None:
    for text in ("one", "two"):
        replace(log, text)
        adopt(log, Limits(size=10, files=1))
    assert contents(log) == {"": "two", ".kept": "two"}


def test_a_daemon_that_died_while_rotating(log: Path) -> None:
    limits = Limits(size=10, files=4)
    for text in ("one", "two"):
        replace(log, text)
        adopt(log, limits)
    rotated(log, 1).rename(rotated(log, 2))  # it had moved the older ones up
    replace(log, "three")
    adopt(log, limits)
    assert contents(log) == {"": "three", ".1": "two", ".3": "one", ".kept": "three"}


def test_remove(log: Path) -> None:
    for text in ("one", "two"):
        replace(log, text)
        adopt(log, Limits())
    remove(log)
    remove(log)
    assert contents(log) == {}


async def test_asks_once_for_each_file(log: Path) -> None:
    asked = 0
    answered = asyncio.Event()

    async def reopen() -> None:
        nonlocal asked
        asked += 1
        answered.set()

    append(log, "x" * 100)
    task = asyncio.create_task(rotate(log, Limits(size=50, files=3), reopen))
    await answered.wait()
    for _ in range(3):
        append(log, "x")
        await asyncio.sleep(0.005)
    assert asked == 1
    replace(log, "y" * 60)
    answered.clear()
    await answered.wait()
    assert asked == 2
    task.cancel()


async def test_ends_with_the_container(log: Path) -> None:
    async def reopen() -> None:
        raise Conflict("is not running")

    append(log, "x" * 100)
    await asyncio.wait_for(rotate(log, Limits(size=50), reopen), 60)


def test_the_cap_is_what_is_kept_or_what_a_moment_of_output_needs() -> None:
    assert Limits(size=20_000_000, files=5).cap == 100_000_000
    assert Limits(size=20_000_000, files=1).cap == 40_000_000
    assert Limits(size=10, files=5).cap == 32_000_000
