"""Keys that detach, and streams that are relayed."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.cli.relay import Relay, write_all
from pier.cli.terminal import KeyWatch, parse_keys
from pier.client.http import Connection
from pier.client.stream import Hijacked
from pier.errors import InvalidArgument

KEYS = b"\x10\x11"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ctrl-p,ctrl-q", KEYS), ("a,b", b"ab"), ("ctrl-@,ctrl-[,ctrl-_", b"\0\x1b\x1f"), ("ctrl-a,x", b"\x01x")],
)
def test_keys(text: str, expected: bytes) -> None:
    assert parse_keys(text) == expected


@pytest.mark.parametrize("text", ["zzz", "", "ctrl-", "ctrl-P", "a,,b", "é"])
def test_unknown_keys(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid detach keys"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("pieces", "expected", "detached"),
    [
        ([b"abc"], b"abc", False),
        ([b"ab\x10\x11cd"], b"ab", True),
        ([b"ab\x10", b"\x11"], b"ab", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x10\x10", b"y"], b"\x10\x10y", False),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_watching_keys(pieces: list[bytes], expected: bytes, detached: bool) -> None:
    watch = KeyWatch(KEYS)
    passed = b""
    ended = False
    for piece in pieces:
        out, ended = watch.feed(piece)
        passed += out
    assert (passed, ended) == (expected, detached)


class Streams:
    """Input, output and errors for a relay: a pipe and two files."""

    def __init__(self, folder: Path) -> None:
        self._input, self.input_end = os.pipe()
        self._files = [(folder / name).open("w+b", buffering=0) for name in ("out", "err")]
        self.descriptors = (self._input, self._files[0].fileno(), self._files[1].fileno())

    def read(self) -> tuple[bytes, bytes]:
        for file in self._files:
            file.seek(0)
        return self._files[0].read(), self._files[1].read()

    def close(self) -> None:
        os.close(self._input)
        for file in self._files:
            file.close()


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[Streams]:
    made = Streams(tmp_path)
    yield made
    made.close()


def frame(stream: int, payload: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


@pytest.fixture
def pair() -> Iterator[tuple[Hijacked, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    yield Hijacked(Connection(ours)), theirs
    ours.close()
    theirs.close()


Pair = tuple[Hijacked, socket.socket]


def test_output_goes_where_it_belongs(streams: Streams, pair: Pair) -> None:
    stream, theirs = pair
    os.close(streams.input_end)
    theirs.sendall(frame(1, b"out") + frame(2, b"err") + frame(1, b"more"))
    theirs.close()
    assert Relay(stream, framed=True, stdin=False, descriptors=streams.descriptors).run() is False
    assert streams.read() == (b"outmore", b"err")


def test_raw_output_is_not_touched(streams: Streams, pair: Pair) -> None:
    stream, theirs = pair
    os.close(streams.input_end)
    theirs.sendall(frame(1, b"x"))
    theirs.close()
    Relay(stream, framed=False, stdin=False, descriptors=streams.descriptors).run()
    assert streams.read()[0] == frame(1, b"x")


def test_input_ends_with_a_half_close(streams: Streams, pair: Pair) -> None:
    stream, theirs = pair
    os.write(streams.input_end, b"question")
    os.close(streams.input_end)

    def answer() -> None:
        asked = b""
        while data := theirs.recv(100):
            asked += data
        theirs.sendall(frame(1, asked.upper()))
        theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    Relay(stream, framed=True, stdin=True, descriptors=streams.descriptors).run()
    thread.join()
    assert streams.read()[0] == b"QUESTION"


def test_more_input_than_anybody_takes_at_once(streams: Streams, pair: Pair) -> None:
    """An echo of 8 MB: with blocking writes both sides would wait for each other for ever."""
    stream, theirs = pair
    payload = os.urandom(1 << 20) * 8

    def feed() -> None:
        write_all(streams.input_end, payload)
        os.close(streams.input_end)

    def echo() -> None:
        theirs.settimeout(30)
        while data := theirs.recv(65536):
            theirs.sendall(frame(1, data))
        theirs.close()

    threads = [threading.Thread(target=feed), threading.Thread(target=echo)]
    for thread in threads:
        thread.start()
    Relay(stream, framed=True, stdin=True, descriptors=streams.descriptors).run()
    for thread in threads:
        thread.join()
    assert streams.read()[0] == payload


def test_a_container_that_ends_while_input_is_open(streams: Streams, pair: Pair) -> None:
    stream, theirs = pair
    theirs.sendall(frame(1, b"bye"))
    theirs.close()
    assert Relay(stream, framed=True, stdin=True, descriptors=streams.descriptors).run() is False
    os.close(streams.input_end)
    assert streams.read()[0] == b"bye"


def test_detaching(streams: Streams, pair: Pair) -> None:
    stream, theirs = pair
    os.write(streams.input_end, b"ls\r" + KEYS)
    assert Relay(stream, framed=False, stdin=True, keys=KeyWatch(KEYS), descriptors=streams.descriptors).run() is True
    os.close(streams.input_end)
    assert theirs.recv(100) == b"ls\r"


def test_only_input_is_attached(streams: Streams, pair: Pair) -> None:
    stream, theirs = pair
    os.write(streams.input_end, b"x")
    os.close(streams.input_end)
    assert Relay(stream, framed=True, stdin=True, output=False, descriptors=streams.descriptors).run() is False
    assert theirs.recv(100) == b"x"
