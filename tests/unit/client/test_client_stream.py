"""Multiplexed output comes out the same however it is cut."""

import random

import pytest

from pier.client.stream import STDERR, STDOUT, Demultiplexer


def frame(stream: int, payload: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


FRAMES = [(1, b"one"), (1, b""), (2, b"two" * 50), (1, b"\x01\0\0\0"), (2, b"x"), (1, bytes(range(256)) * 9)]
STREAM = b"".join(frame(stream, payload) for stream, payload in FRAMES)


def gathered(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    """Payloads by stream, neighbours of one stream joined."""
    demultiplexer = Demultiplexer()
    out: list[tuple[int, bytes]] = []
    for piece in pieces:
        for stream, payload in demultiplexer.feed(piece):
            if out and out[-1][0] == stream:
                out[-1] = (stream, out[-1][1] + payload)
            elif payload:
                out.append((stream, payload))
    return out


WHOLE = [
    (STDOUT, b"one"),
    (STDERR, b"two" * 50),
    (STDOUT, b"\x01\0\0\0"),
    (STDERR, b"x"),
    (STDOUT, bytes(range(256)) * 9),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 100, len(STREAM)])
def test_pieces_of_one_size(size: int) -> None:
    assert gathered([STREAM[start : start + size] for start in range(0, len(STREAM), size)]) == WHOLE


def test_random_cuts() -> None:
    source = random.Random(1)
    for _ in range(200):
        cuts = sorted(source.sample(range(len(STREAM)), 12))
        pieces = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
        assert gathered(pieces) == WHOLE


def test_a_payload_is_passed_on_before_its_frame_is_whole() -> None:
    demultiplexer = Demultiplexer()
    assert demultiplexer.feed(frame(1, b"abcdef")[:11]) == [(STDOUT, b"abc")]
    assert demultiplexer.feed(b"def") == [(STDOUT, b"def")]
