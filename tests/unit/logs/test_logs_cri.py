"""Reading logs: over several files, from behind, and while they grow and are rotated."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from pier.logs import rotate
from pier.logs.cri import CriLog, read
from pier.logs.driver import LogQuery
from pier.logs.files import kept, rotated
from pier.logs.lines import stamp


def line(text: str, *, stream: str = "stdout", tag: str = "F", at: int = 1_000_000_000) -> bytes:
    return stamp(at) + f"+00:00 {stream} {tag} {text}\n".encode()


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


class Writer:
    """What the supervisor does to its log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, data: bytes) -> None:
        os.write(self._file, data)

    def replace(self) -> None:
        """Go on in a new file that takes the place of this one."""
        temporary = self.path.with_name(self.path.name + ".tmp")
        os.close(self._file)
        self._file = os.open(temporary, os.O_WRONLY | os.O_CREAT)
        temporary.rename(self.path)

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "container.log"


async def data_of(log: Path, query: LogQuery | None = None) -> list[bytes]:
    return [entry.data async for entry in read(log, query or LogQuery())]


async def test_no_log_is_empty(log: Path) -> None:
    assert await data_of(log) == []
    ended = asyncio.Event()
    ended.set()
    assert [entry async for entry in read(log, LogQuery(follow=True), ended)] == []


async def test_rotated_files_come_first(log: Path) -> None:
    put(log, line("newest"))
    put(rotated(log, 1), line("newer"))
    put(rotated(log, 2), line("old"))
    put(rotated(log, 10), line("oldest"))
    os.link(log, kept(log))
    assert await data_of(log) == [b"oldest\n", b"old\n", b"newer\n", b"newest\n"]
    kept(log).unlink()
    put(kept(log), line("being rotated"))
    assert (await data_of(log))[-2:] == [b"being rotated\n", b"newest\n"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 999, 1000, 1001, 2999, 3000, 5000])
async def test_tail(log: Path, count: int) -> None:
    texts = [f"{number} " + "x" * (number % 200) for number in range(3000)]
    put(rotated(log, 2), b"".join(map(line, texts[:1000])))
    put(rotated(log, 1), b"".join(map(line, texts[1000:2000])))
    put(log, b"".join(map(line, texts[2000:])))
    expected = [f"{text}\n".encode() for text in texts]
    assert await data_of(log, LogQuery(tail=count)) == (expected[-count:] if count else [])


async def test_tail_counts_lines_not_pieces(log: Path) -> None:
    put(log, line("a") + line("b", tag="P") + line("b") + line("error", stream="stderr") + line("c", tag="P"))
    assert await data_of(log, LogQuery(tail=1)) == [b"c"]
    assert await data_of(log, LogQuery(tail=2)) == [b"error\n", b"c"]
    assert await data_of(log, LogQuery(tail=3)) == [b"b", b"b\n", b"error\n", b"c"]
    assert await data_of(log, LogQuery(tail=2, stderr=False)) == [b"b", b"b\n", b"c"]


async def test_an_unfinished_line_is_not_shown(log: Path) -> None:
    put(log, line("whole") + line("half")[:-3])
    assert await data_of(log) == [b"whole\n"]
    assert await data_of(log, LogQuery(tail=1)) == [b"whole\n"]


async def test_since_and_until(log: Path) -> None:
    put(log, b"".join(line(str(second), at=second * 1_000_000_000) for second in range(10)))
    assert await data_of(log, LogQuery(since=7_000_000_000)) == [b"7\n", b"8\n", b"9\n"]
    assert await data_of(log, LogQuery(until=1_999_999_999)) == [b"0\n", b"1\n"]
    assert await data_of(log, LogQuery(since=3_000_000_000, until=3_000_000_000)) == [b"3\n"]


async def test_following_sees_what_is_written(log: Path) -> None:
    writer = Writer(log)
    writer.write(line("before"))
    ended = asyncio.Event()
    follower = read(log, LogQuery(follow=True, tail=0), ended)
    upcoming = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0.02)
    assert not upcoming.done()
    for number in range(3):
        writer.write(line(str(number)))
        assert (await upcoming).data == f"{number}\n".encode()
        upcoming = asyncio.ensure_future(anext(follower))
    writer.write(line("last"))
    ended.set()
    assert (await upcoming).data == b"last\n"
    assert [entry async for entry in follower] == []
    writer.close()


async def test_following_through_rotations(log: Path) -> None:
    limits = rotate.Limits(size=2000, files=100)
    writer = Writer(log)
    ended = asyncio.Event()

    rotations = 0

    async def reopen() -> None:
        nonlocal rotations
        writer.replace()
        rotations += 1

    rotation = asyncio.create_task(rotate.rotate(log, limits, reopen))
    follower = asyncio.create_task(collect(log, ended))
    for number in range(1000):
        writer.write(line(str(number)))
        while number % 100 == 99 and rotations <= number // 200:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    expected = [f"{number}\n".encode() for number in range(1000)]
    ended.set()
    assert await follower == expected
    assert await data_of(log) == expected
    assert len(list(log.parent.glob("container.log.[0-9]*"))) > 3
    rotation.cancel()
    writer.close()


async def collect(log: Path, ended: asyncio.Event) -> list[bytes]:
    return [entry.data async for entry in read(log, LogQuery(follow=True), ended)]


async def test_following_a_log_that_begins_later(log: Path) -> None:
    ended = asyncio.Event()
    follower = asyncio.create_task(collect(log, ended))
    await asyncio.sleep(0.01)
    put(log, line("first"))
    ended.set()
    assert await follower == [b"first\n"]


async def test_until_ends_following(log: Path) -> None:
    put(log, line("x"))
    soon = time.time_ns() + 50_000_000
    assert [entry.data async for entry in read(log, LogQuery(follow=True, until=soon), asyncio.Event())] == [b"x\n"]


async def test_frames_in_pieces_make_the_whole(log: Path) -> None:
    texts = [str(number) * 50 for number in range(20_000)]
    put(log, b"".join(map(line, texts)))
    pieces = [piece async for piece in CriLog(log).frames(LogQuery(), raw=True)]
    assert len(pieces) > 1
    assert b"".join(pieces) == "".join(f"{text}\n" for text in texts).encode()
