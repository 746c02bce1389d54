"""The wire of a build: both ends agree, and what is cut anywhere comes together again."""

import pytest

from pier.api.buildstream import frames
from pier.client import buildlink
from pier.errors import InvalidArgument

KINDS = ("HELLO", "ANSWER", "DATA", "END", "CREDIT", "CONTENT", "ERROR", "EVENTS", "ASK", "RESULT", "FAILED", "WINDOW")


@pytest.mark.parametrize("name", KINDS)
def test_both_ends_name_things_alike(name: str) -> None:
    assert getattr(frames, name) == getattr(buildlink, name)


def test_both_ends_pack_alike() -> None:
    assert frames.pack(frames.DATA, 70000, b"abc") == buildlink.pack(buildlink.DATA, 70000, b"abc")


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 1000])
def test_frames_come_together(size: int) -> None:
    sent = [(frames.HELLO, 0, b"{}"), (frames.DATA, 1, b"x" * 30), (frames.END, 1, b""), (frames.DATA, 1 << 31, b"y")]
    wire = b"".join(frames.pack(*each) for each in sent)
    splitter = frames.Splitter()
    found = [frame for at in range(0, len(wire), size) for frame in splitter.feed(wire[at : at + size])]
    assert [tuple(frame) for frame in found] == sent


def test_a_frame_too_long_is_refused() -> None:
    head = (frames.LONGEST + 1).to_bytes(4, "big") + b"\3\0\0\0\1"
    with pytest.raises(InvalidArgument, match="at most"):
        list(frames.Splitter().feed(head))
