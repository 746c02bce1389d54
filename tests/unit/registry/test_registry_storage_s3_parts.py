"""The parts of the storage on S3 that need no server."""

import os
import tempfile
from pathlib import Path

import msgspec
import pytest

from pier.errors import DataCorrupted, InvalidArgument, NoSpace, NotFound, PierError, Unavailable
from pier.registry.storages.s3address import bucket_of
from pier.registry.storages.s3errors import kind_of
from pier.registry.storages.s3writer import State, decode
from pier.registry.storages.spool import Spool


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NoSuchKey", NotFound),
        ("404", NotFound),
        ("NoSuchUpload", DataCorrupted),
        ("InvalidPart", DataCorrupted),
        ("InvalidRange", DataCorrupted),
        ("507", NoSpace),
        ("QuotaExceeded", NoSpace),
        ("AccessDenied", Unavailable),
        ("SlowDown", Unavailable),
        ("", Unavailable),
    ],
)
def test_kinds_of_what_a_server_says(code: str, kind: type[PierError]) -> None:
    assert type(kind_of(code, "why")) is kind


def test_the_state_between_requests() -> None:
    state = State(key="k", upload="u", parts=["a", "b"], tail="t", tail_size=5, old=["o"])
    assert decode(msgspec.msgpack.encode(state)) == state
    assert decode(b"") == State()
    for bad in (b"x", b"\xc1", msgspec.msgpack.encode(["k"]), msgspec.msgpack.encode({"parts": 5})):
        with pytest.raises(DataCorrupted):
            decode(bad)


@pytest.mark.parametrize(
    "url",
    ["s3:///p", "s3://b/p?style=odd", "s3://b/p?unknown=1", "s3://b/p?region", "s3://b/p#x", "s3://b?endpoint=nowhere"],
)
async def test_addresses_without_sense(url: str) -> None:
    with pytest.raises(InvalidArgument):
        await bucket_of(url)


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        ("s3://b/a/?endpoint=http://h:9000", "http://h:9000/b/a/key?"),
        ("s3://b?endpoint=http://h:9000", "http://h:9000/b/key?"),
        ("s3://blobs/a%20b?region=eu-west-1", "https://blobs.s3.amazonaws.com/a%20b/key?"),
        ("s3://b/a?region=eu-west-1&style=path", "https://s3.eu-west-1.amazonaws.com/b/a/key?"),
    ],
)
async def test_addresses(url: str, begins: str) -> None:
    mark = "&" if "?" in url else "?"
    bucket, connections = await bucket_of(f"{url}{mark}access_key=a&secret_key=b&session_token=c")
    async with connections:
        signed = await bucket.url("key", 60)
    assert signed.startswith(begins) and "X-Amz-Expires=60" in signed and "X-Amz-Security-Token=c" in signed


async def test_a_spool_can_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for pieces in ([], [b"small"], [b"a" * 100_000, b"b" * 300_000, b"c", b"d" * 70_000]):
        spool, data = Spool(), b"".join(pieces)
        for piece in pieces:
            await spool.append(piece)
        for _ in range(2):
            assert b"".join([piece async for piece in spool.content()]) == data
        assert spool.size == len(data) and not os.listdir(tmp_path)
        spool.close()
        spool.close()


def test_a_spool_knows_what_a_server_checks() -> None:
    assert Spool().md5 == "1B2M2Y8AsgTpgAmY7PhCfg=="
