"""The format of log lines."""

import struct

import pytest

from pier.logs.driver import STDERR, STDOUT, LogEntry
from pier.logs.lines import Selection, entries, frames, parse_stamp, stamp

FIRST = b"2026-11-20T08:15:30.000000001"
SECOND = b"2026-11-20T08:15:30.000000002"
BLOCK = (
    FIRST + b"+00:00 stdout F hello\n"
    + FIRST + b"+00:00 stderr P no new\n"
    + SECOND + b"+00:00 stderr F line\n"
    + b"garbage of a full disk\n"
    + SECOND + b"+00:00 stdout F \n"
)  # fmt: skip


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


def test_stamps_go_there_and_back() -> None:
    for moment in (0, 1, 999_999_999, 1_795_162_530_000_000_001):
        assert parse_stamp(stamp(moment)) == moment
    assert stamp(1_795_162_530_000_000_001) == FIRST
    assert stamp(-5) == stamp(0)


def test_entries() -> None:
    found, ended = entries(BLOCK, Selection())
    first, second = parse_stamp(FIRST), parse_stamp(SECOND)
    assert not ended
    assert found == [
        LogEntry(STDOUT, first, b"hello\n", False),
        LogEntry(STDERR, first, b"no new", True),
        LogEntry(STDERR, second, b"line\n", False),
        LogEntry(STDOUT, second, b"\n", False),
    ]


@pytest.mark.parametrize(
    ("selection", "expected", "ended"),
    [
        (Selection(stderr=False), [b"hello\n", b"\n"], False),
        (Selection(stdout=False), [b"no new", b"line\n"], False),
        (Selection(since=SECOND), [b"line\n", b"\n"], False),
        (Selection(until=FIRST), [b"hello\n", b"no new"], True),
        (Selection(until=SECOND), [b"hello\n", b"no new", b"line\n", b"\n"], False),
        (Selection(since=stamp(2**62)), [], False),
    ],
)
def test_selections(selection: Selection, expected: list[bytes], ended: bool) -> None:
    found, over = entries(BLOCK, selection)
    assert ([entry.data for entry in found], over) == (expected, ended)
    rendered, over = frames(BLOCK, selection, raw=True, timestamps=False, open_lines=set())
    assert (rendered, over) == (b"".join(expected), ended)


def test_frames() -> None:
    rendered, _ = frames(BLOCK, Selection(), raw=False, timestamps=False, open_lines=set())
    pieces = [frame(1, b"hello\n"), frame(2, b"no new"), frame(2, b"line\n"), frame(1, b"\n")]
    assert rendered == b"".join(pieces)


def test_a_long_line_has_its_length() -> None:
    line = b"x" * 70_000
    block = FIRST + b"+00:00 stdout F " + line + b"\n"
    assert frames(block, Selection(), raw=False, timestamps=False, open_lines=set())[0] == frame(1, line + b"\n")


def test_timestamps_stand_before_lines_only() -> None:
    half = BLOCK.index(SECOND)
    open_lines: set[int] = set()
    before, _ = frames(BLOCK[:half], Selection(), raw=True, timestamps=True, open_lines=open_lines)
    after, _ = frames(BLOCK[half:], Selection(), raw=True, timestamps=True, open_lines=open_lines)
    assert before == FIRST + b"Z hello\n" + FIRST + b"Z no new"
    assert after == b"line\n" + SECOND + b"Z \n"
