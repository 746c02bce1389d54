"""Values on BuildKit's wire: modes, headers, tars as folders, frames of tapped streams, states of a build."""

import io
import stat
import tarfile

import pytest

from pier.api.buildkit.calls import metadata
from pier.api.buildkit.failures import returned_error, status_error
from pier.api.buildkit.feed import Feed
from pier.api.buildkit.gomode import go_mode, unix_mode
from pier.api.buildkit.proto import status_pb2
from pier.api.buildkit.statusreply import status_reply, timestamp
from pier.api.buildkit.taps import Taps
from pier.api.buildkit.tarfolder import members
from pier.build.dockerfile.ast import Location, Warning
from pier.build.progress import LintWarning, LogPiece, StatusState, VertexState
from pier.errors import InvalidArgument


@pytest.mark.parametrize(
    ("unix", "go"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFREG | 0o4755, 1 << 23 | 0o755),
        (stat.S_IFREG | 0o2755, 1 << 22 | 0o755),
        (stat.S_IFDIR | 0o1777, 1 << 31 | 1 << 20 | 0o777),
        (stat.S_IFLNK | 0o777, 1 << 27 | 0o777),
        (stat.S_IFBLK | 0o600, 1 << 26 | 0o600),
        (stat.S_IFCHR | 0o600, 1 << 26 | 1 << 21 | 0o600),
        (stat.S_IFIFO | 0o600, 1 << 25 | 0o600),
        (stat.S_IFSOCK | 0o600, 1 << 24 | 0o600),
    ],
)
def test_modes_both_ways(unix: int, go: int) -> None:
    assert go_mode(unix) == go
    assert unix_mode(go) == unix


def test_a_mode_of_no_kind() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        unix_mode(1 << 19 | 0o644)


def test_headers_are_encoded_where_they_must() -> None:
    assert metadata({"a": ["x y"], "b": ["é", "+"]}) == [
        ("a", "x y"),
        ("b", "%C3%A9"),
        ("b", "%2B"),
        ("b-encoded", "1"),
    ]


def test_a_tar_as_a_folder() -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        _add(tar, "z", data=b"content")
        _add(tar, "./a/b", data=b"b", mode=0o4755)
        _add(tar, "a/hard", kind=tarfile.LNKTYPE, link="z")
        _add(tar, "link", kind=tarfile.SYMTYPE, link="a/b")
        _add(tar, "a-b", kind=tarfile.DIRTYPE, mode=0o700)
    found = {member.stat.path.decode(): member for member in members(data)}
    assert list(found) == ["a", "a/b", "a/hard", "a-b", "link", "z"]
    assert found["a"].stat.mode == 1 << 31 | 0o755
    assert found["a-b"].stat.mode == 1 << 31 | 0o700
    assert found["a/b"].stat.mode == 1 << 23 | 0o755
    assert (found["a/hard"].stat.linkname, found["a/hard"].stat.size) == (b"", 7)
    assert found["z"].stat.linkname == b"a/hard"
    assert found["link"].stat.linkname == b"a/b"
    hard = found["a/hard"]
    assert data.getvalue()[hard.offset : hard.offset + hard.stat.size] == b"content"


def _add(
    tar: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", link: str = "", mode: int = 0o644
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, len(data), link, mode
    tar.addfile(info, io.BytesIO(data))


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


class Recorded:
    def __init__(self) -> None:
        self.got = b""

    def data(self, payload: bytes) -> None:
        self.got += payload


@pytest.mark.parametrize("piece", [1, 7, 20, 1000])
def test_tapped_frames_go_past(piece: int) -> None:
    written: list[bytes] = []
    taps = Taps(written.append)
    tap = Recorded()
    taps.add(5, tap)
    others = [frame(1, 4, 5, b"headers"), frame(0, 0, 3, b"other"), frame(0, 8, 5, b"\1padded\0"), frame(4, 0, 0, b"")]
    mine = [frame(0, 0, 5, b"one"), frame(0, 0, 5, b""), frame(0, 1, 5, b"two")]
    wire = others[0] + mine[0] + others[1] + others[2] + mine[1] + others[3] + mine[2]
    rest = b"".join(taps.sift(wire[at : at + piece]) for at in range(0, len(wire), piece))
    assert tap.got == b"onetwo"
    assert rest == b"".join(others) + frame(0, 1, 5, b"")  # h2 is told of the end only
    assert written == []


def test_room_is_given_in_large_pieces() -> None:
    written: list[bytes] = []
    taps = Taps(written.append)
    taps.add(5, Recorded())
    taps.consumed(5, (1 << 20) - 1)
    assert written == []
    taps.consumed(5, 1)
    assert written == [frame(8, 0, 5, (1 << 20).to_bytes(4)) + frame(8, 0, 0, (1 << 20).to_bytes(4))]


def test_the_newest_state_is_told() -> None:
    location = Location("Dockerfile", 2, 3)
    warning = LintWarning("v", Warning("Rule", "message", location, "more", "url"), "text")
    reply = status_reply(
        [
            VertexState("v", "name", started=1),
            VertexState("v", "name", ("i",), started=1, completed=2_000_000_003, cached=True, error="e"),
            StatusState("v", "s", "transferring", 5, 10, started=1),
            LogPiece("v", 2, b"out", 4),
            warning,
        ],
        now=7,
    )
    assert len(reply.vertexes) == 1
    vertex = reply.vertexes[0]
    assert (vertex.digest, vertex.cached, vertex.error, list(vertex.inputs)) == ("v", True, "e", ["i"])
    assert (vertex.completed.seconds, vertex.completed.nanos) == (2, 3)
    assert (reply.statuses[0].ID, reply.statuses[0].current, reply.statuses[0].timestamp.nanos) == ("s", 5, 7)
    assert (reply.logs[0].stream, reply.logs[0].msg) == (2, b"out")
    assert reply.warnings[0].short == b"Rule: message (line 2)"
    assert reply.warnings[0].info.data == b"text"
    assert reply.warnings[0].ranges[0].end.line == 3
    assert timestamp(0) is None


async def test_a_late_watcher_is_told_all() -> None:
    feed = Feed()
    feed.publish(VertexState("v", "name"))
    feed.publish(LogPiece("v", 1, b"a", 1))
    feed.close()
    assert [event async for batch in feed.batches() for event in batch] == [
        VertexState("v", "name"),
        LogPiece("v", 1, b"a", 1),
    ]
    assert [event async for batch in feed.batches() for event in batch] == [VertexState("v", "name")]


def test_an_error_says_which_lines_are_meant() -> None:
    class Failing(InvalidArgument):
        location = Location("D", 2, 2)
        sources = {"D": "FROM a\nRUN b\n"}
        vertex = "sha256:1"

    told = status_error(Failing("failed"))
    assert told.details is not None
    assert [detail.type_url for detail in told.details] == [
        "github.com/moby/buildkit/errdefs.Source+json",
        "github.com/moby/buildkit/errdefs.Vertex+json",
    ]
    assert b'"filename":"D"' in told.details[0].value
    status = status_pb2.Status(code=told.status.value, message=told.message or "", details=told.details)
    back = returned_error(status)
    assert (back.status, back.message, back.details) == (told.status, told.message, told.details)
