"""The lines that the supervisor writes into a log: the container runtime interface's format. Pure.

One line a piece of output: time, stream, tag, content. ``F`` ends a line of output, ``P`` is a part of one (the
supervisor reads 8 KiB at a time, and a program need not end its line)::

    2026-11-20T08:15:30.123456789+00:00 stdout F hello
    2026-11-20T08:15:31.000000000+00:00 stderr P no newline yet

The supervisor runs with its clock in UTC, so everything before the content has one length, times compare as
text, and a block of lines is worked on with slices. Lines that do not look so (a disk was full) are passed over.
"""

import calendar
import time
from typing import Final, NamedTuple

from pier.logs.driver import STDERR, STDOUT, LogEntry

HEADER: Final = 45
_STAMP: Final = 29
_ZONE: Final = b"+00:00 "
_KINDS: Final = {
    _ZONE + b"stdout F ": (STDOUT, False),
    _ZONE + b"stdout P ": (STDOUT, True),
    _ZONE + b"stderr F ": (STDERR, False),
    _ZONE + b"stderr P ": (STDERR, True),
}
_NANO: Final = 1_000_000_000


class Selection(NamedTuple):
    """Which lines: the streams, and the inclusive bounds as :func:`stamp` writes them (empty: none)."""

    stdout: bool = True
    stderr: bool = True
    since: bytes = b""
    until: bytes = b""

    @property
    def streams(self) -> frozenset[int]:
        return frozenset(([STDOUT] if self.stdout else []) + ([STDERR] if self.stderr else []))


def stamp(time_ns: int) -> bytes:
    """``2026-11-20T08:15:30.123456789`` of nanoseconds since 1970, in UTC."""
    seconds, nanos = divmod(max(time_ns, 0), _NANO)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09d" % nanos


def parse_stamp(text: bytes) -> int:
    """The inverse of :func:`stamp`."""
    seconds = calendar.timegm(time.strptime(text[:19].decode(), "%Y-%m-%dT%H:%M:%S"))
    return seconds * _NANO + int(text[20:29])


def kind(line: bytes) -> tuple[int, bool] | None:
    """The stream, and whether the line is partial; ``None`` for what is no line of a log."""
    return _KINDS.get(line[_STAMP:HEADER])


def select(block: bytes, wanted: Selection) -> tuple[list[bytes], bool]:
    """The lines of ``block`` (whole lines) that are wanted, and whether the end (``until``) was passed."""
    lines = block.split(b"\n")
    lines.pop()
    if wanted.since and lines and lines[0][:_STAMP] < wanted.since:
        lines = [line for line in lines if line[:_STAMP] >= wanted.since]
    if wanted.until and lines and lines[-1][:_STAMP] > wanted.until:
        return [line for line in lines if line[:_STAMP] <= wanted.until], True
    return lines, False


def entries(block: bytes, wanted: Selection) -> tuple[list[LogEntry], bool]:
    """The wanted lines as entries; see :func:`select`."""
    lines, ended = select(block, wanted)
    streams = wanted.streams
    found: list[LogEntry] = []
    last, nanos = b"", 0
    for line in lines:
        what = _KINDS.get(line[_STAMP:HEADER])
        if what is None or what[0] not in streams:
            continue
        when = line[:_STAMP]
        if when != last:  # the supervisor stamps all lines of one read alike
            last, nanos = when, parse_stamp(when)
        found.append(LogEntry(what[0], nanos, line[HEADER:] + (b"" if what[1] else b"\n"), what[1]))
    return found, ended


def frames(block: bytes, wanted: Selection, *, raw: bool, timestamps: bool, open_lines: set[int]) -> tuple[bytes, bool]:
    """The wanted lines as the API sends them; see :func:`select`.

    ``raw`` is for terminals: content alone. Else each piece has an 8-byte header (stream, three zeros, length in
    network order). ``timestamps`` puts the time before each line, but not before a line's second part:
    ``open_lines`` remembers, from block to block, the streams whose last line goes on.
    """
    lines, ended = select(block, wanted)
    if timestamps:
        return b"".join(_stamped(lines, wanted.streams, raw, open_lines)), ended
    kinds = {zone: what for zone, what in _KINDS.items() if what[0] in wanted.streams}
    pieces: list[bytes] = []
    for line in lines:
        what = kinds.get(line[_STAMP:HEADER])
        if what is None:
            continue
        data = line[HEADER:] if what[1] else line[HEADER:] + b"\n"
        pieces.append(data if raw else header(what[0], len(data)) + data)
    return b"".join(pieces), ended


def _stamped(lines: list[bytes], streams: frozenset[int], raw: bool, open_lines: set[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for line in lines:
        what = _KINDS.get(line[_STAMP:HEADER])
        if what is None or what[0] not in streams:
            continue
        stream, partial = what
        data = line[HEADER:] + (b"" if partial else b"\n")
        if stream not in open_lines:
            data = line[:_STAMP] + b"Z " + data
        (open_lines.add if partial else open_lines.discard)(stream)
        pieces.append(data if raw else header(stream, len(data)) + data)
    return pieces


def header(stream: int, length: int) -> bytes:
    """The header of a frame of multiplexed output."""
    if length < _KNOWN:
        return _HEADERS[stream][length]
    return bytes((stream, 0, 0, 0)) + length.to_bytes(4, "big")


_KNOWN: Final = 1024
_HEADERS: Final = {
    stream: [bytes((stream, 0, 0, 0)) + length.to_bytes(4, "big") for length in range(_KNOWN)]
    for stream in (STDOUT, STDERR)
}
