"""Blobs come in and go out: over a folder, and over a real S3 where nothing keeps two instances apart."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from pier.errors import NoSpace, NotFound, PierError, Unavailable
from pier.linux import process
from pier.oci.digest import Digest, sha256
from pier.registry.blobs.append import append
from pier.registry.blobs.delete import delete
from pier.registry.blobs.finish import finish, monolithic
from pier.registry.blobs.mount import mount
from pier.registry.blobs.read import head, read
from pier.registry.blobs.uploads import begin, cancel, discard, status
from pier.registry.deps import Registry
from pier.registry.model import Blob, Upload
from pier.registry.records import FINISHING, Records
from pier.registry.refusals import Code, Refusal
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.registry_storage import MIB, all_of
from pier.testing.registry_uploads import MemoryUploads
from pier.testing.swift import Swift, swift

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAME = "team/app"
NOW = 1_800_000_000
_prefixes = (f"blobs/{number}" for number in itertools.count())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Swift]:
    async with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "folder":
        return f"file://{tmp_path_factory.mktemp('blobs')}"
    server: Swift = request.getfixturevalue("s3")
    return server.url(next(_prefixes))


@pytest.fixture
def records() -> MemoryUploads:
    return MemoryUploads()


@pytest_asyncio.fixture(loop_scope="module")
async def registry(url: str, records: MemoryUploads) -> AsyncIterator[Registry]:
    registry = await instance(url, records)
    yield registry
    await registry.storage.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def other(url: str, records: MemoryUploads) -> AsyncIterator[Registry]:
    """Another instance over the same records and storage."""
    registry = await instance(url, records)
    yield registry
    await registry.storage.stop()


async def instance(url: str, records: MemoryUploads) -> Registry:
    return Registry(cast(Records, records), await open_storage(url), Settings(), clock=lambda: NOW)


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Gone(Exception):
    """The client has."""


async def broken(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise Gone


async def refused(code: Code, call: Awaitable[object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    assert caught.value.code == code
    return caught.value


async def content(registry: Registry, blob: Blob) -> bytes:
    return b"".join([piece async for piece in read(registry, blob)])


async def test_a_blob_in_chunks(registry: Registry) -> None:
    parts = (b"one ", os.urandom(2 * MIB), b"", os.urandom(100_000))
    data = b"".join(parts)
    upload = await begin(registry, NAME)
    assert (upload.offset, upload.started, upload.repository) == (0, NOW, NAME)
    for part in parts:
        before = (await status(registry, NAME, upload.id)).offset
        reached = await append(registry, NAME, upload.id, chunks(part[:10], part[10:]), start=before)
        assert reached.offset == before + len(part)
    blob = await finish(registry, NAME, upload.id, sha256(data))
    assert (blob.digest, blob.size, blob.created) == (sha256(data), len(data), NOW)
    assert await content(registry, await head(registry, NAME, blob.digest)) == data
    assert b"".join([piece async for piece in read(registry, blob, 3, 10)]) == data[3:10]
    assert await all_of(registry.storage) == [blob.location]
    await refused(Code.BLOB_UPLOAD_UNKNOWN, status(registry, NAME, upload.id))
    await refused(Code.BLOB_UPLOAD_UNKNOWN, finish(registry, NAME, upload.id, blob.digest))


async def test_a_blob_with_its_end_in_the_last_request(registry: Registry) -> None:
    upload = await begin(registry, NAME)
    await append(registry, NAME, upload.id, chunks(b"begin "))
    blob = await finish(registry, NAME, upload.id, sha256(b"begin end"), chunks(b"end"), start=6)
    assert await content(registry, blob) == b"begin end"


async def test_a_blob_in_one_request(registry: Registry) -> None:
    for data in (b"", b"x", os.urandom(MIB + 1)):
        assert await content(registry, await monolithic(registry, NAME, sha256(data), chunks(data))) == data


async def test_an_upload_goes_on_in_another_instance(
    registry: Registry, other: Registry, records: MemoryUploads
) -> None:
    parts = [os.urandom(size) for size in (10, 17 * MIB, 3)]
    upload = await begin(registry, NAME)
    for part, each in zip(parts, (registry, other, registry), strict=True):
        await append(each, NAME, upload.id, chunks(part))
    blob = await finish(other, NAME, upload.id, sha256(b"".join(parts) + b"end"), chunks(b"end"))
    assert await content(registry, blob) == b"".join(parts) + b"end"
    assert await all_of(registry.storage) == [blob.location] and not records.uploads


async def test_a_wrong_digest_leaves_nothing(registry: Registry, other: Registry, records: MemoryUploads) -> None:
    for each in (registry, other):  # the other one has to read the bytes again
        upload = await begin(registry, NAME)
        await append(registry, NAME, upload.id, chunks(b"x" * 18 * MIB))
        refusal = await refused(Code.DIGEST_INVALID, finish(each, NAME, upload.id, sha256(b"y"), chunks(b"z")))
        assert str(refusal) == "provided digest did not match uploaded content"
        assert not records.uploads and not records.blobs and await all_of(registry.storage) == []


async def test_digests_that_are_none(registry: Registry) -> None:
    upload = await begin(registry, NAME)
    for digest in ("", "x", "sha256:", "sha256:" + "0" * 63, "sha256:" + "A" * 64, "md5:" + "0" * 32, "../" * 20):
        await refused(Code.DIGEST_INVALID, finish(registry, NAME, upload.id, digest))
        await refused(Code.DIGEST_INVALID, monolithic(registry, NAME, digest, chunks(b"x")))
        await refused(Code.DIGEST_INVALID, head(registry, NAME, digest))
        await refused(Code.DIGEST_INVALID, delete(registry, NAME, digest))
        assert await mount(registry, NAME, "other", digest) is None
    refusal = await refused(Code.DIGEST_INVALID, finish(registry, NAME, upload.id, "sha512:" + "0" * 128))
    assert str(refusal) == "unsupported digest algorithm"
    assert (await status(registry, NAME, upload.id)).offset == 0


async def test_chunks_out_of_order(registry: Registry) -> None:
    upload = await begin(registry, NAME)
    refusal = await refused(Code.RANGE_INVALID, append(registry, NAME, upload.id, chunks(b"x"), start=1))
    assert refusal.headers == {"Range": "0-0"}
    await append(registry, NAME, upload.id, chunks(b"0123456789"), start=0)
    for start in (0, 9, 11, 1 << 60):
        refusal = await refused(Code.RANGE_INVALID, append(registry, NAME, upload.id, chunks(b"x"), start=start))
        assert refusal.headers == {"Range": "0-9"} and refusal.detail["offset"] == 10
        call = finish(registry, NAME, upload.id, sha256(b"x"), chunks(b"x"), start=start)
        await refused(Code.RANGE_INVALID, call)
    blob = await finish(registry, NAME, upload.id, sha256(b"0123456789"))
    assert await content(registry, blob) == b"0123456789"


async def test_uploads_that_are_none(registry: Registry) -> None:
    upload = await begin(registry, NAME)
    for repository, id in ((NAME, "x"), ("other", upload.id), (NAME, "../" * 1000), (NAME, "")):
        for call in (
            status(registry, repository, id),
            append(registry, repository, id, chunks(b"x")),
            finish(registry, repository, id, sha256(b"x")),
            cancel(registry, repository, id),
        ):
            await refused(Code.BLOB_UPLOAD_UNKNOWN, call)
    for name in ("", "UPPER", "a//b", "../x", "a" * 256):
        await refused(Code.NAME_INVALID, begin(registry, name))


async def test_cancelling(registry: Registry, records: MemoryUploads) -> None:
    upload = await begin(registry, NAME)
    await append(registry, NAME, upload.id, chunks(b"x" * 17 * MIB))
    await cancel(registry, NAME, upload.id)
    assert not records.uploads and await all_of(registry.storage) == []
    await refused(Code.BLOB_UPLOAD_UNKNOWN, append(registry, NAME, upload.id, chunks(b"x")))
    await refused(Code.BLOB_UPLOAD_UNKNOWN, cancel(registry, NAME, upload.id))


async def test_what_came_before_the_client_went_is_kept(registry: Registry, other: Registry) -> None:
    data = os.urandom(3 * MIB)
    upload = await begin(registry, NAME)
    with pytest.raises(Gone):
        await append(registry, NAME, upload.id, broken(data[:10], data[10 : 2 * MIB]))
    reached = (await status(registry, NAME, upload.id)).offset
    assert 0 < reached <= 2 * MIB
    with pytest.raises(Gone):
        await finish(registry, NAME, upload.id, sha256(data), broken(data[reached:]))
    reached = (await status(registry, NAME, upload.id)).offset
    blob = await finish(other, NAME, upload.id, sha256(data), chunks(data[reached:]), start=reached)
    assert await content(registry, blob) == data


async def test_what_came_before_the_request_was_cancelled_is_kept(registry: Registry) -> None:
    data = os.urandom(3 * MIB)
    upload = await begin(registry, NAME)
    waits = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield data[: 2 * MIB]
        waits.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(append(registry, NAME, upload.id, slow()))
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reached = (await status(registry, NAME, upload.id)).offset
    assert reached == 2 * MIB
    blob = await finish(registry, NAME, upload.id, sha256(data), chunks(data[reached:]))
    assert await content(registry, blob) == data


async def test_a_slow_upload_is_kept_up_to_date(registry: Registry, records: MemoryUploads) -> None:
    """So that a killed server costs little of it, and nobody takes it for forgotten."""
    hours = itertools.count(NOW, 3600)
    slow = Registry(registry.records, registry.storage, Settings(), clock=lambda: next(hours))
    upload = await begin(slow, NAME)
    seen = []

    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(MIB)
            known = records.uploads[upload.id]
            seen.append((known.offset, known.touched))

    await append(slow, NAME, upload.id, dripping())
    assert 0 < seen[-1][0] < 5 * MIB and upload.touched < seen[-1][1]
    assert (await status(slow, NAME, upload.id)).offset == 5 * MIB
    assert await content(slow, await finish(slow, NAME, upload.id, sha256(bytes(5 * MIB)))) == bytes(5 * MIB)


async def test_a_monolithic_upload_that_fails_leaves_nothing(registry: Registry, records: MemoryUploads) -> None:
    with pytest.raises(Gone):
        await monolithic(registry, NAME, sha256(b"x"), broken(b"x" * MIB))
    await refused(Code.DIGEST_INVALID, monolithic(registry, NAME, sha256(b"x"), chunks(b"y")))
    assert not records.uploads and await all_of(registry.storage) == []


async def test_two_writers_in_one_instance(registry: Registry) -> None:
    upload = await begin(registry, NAME)
    come = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        yield b"first"
        await come.wait()

    first = asyncio.create_task(append(registry, NAME, upload.id, waiting()))
    await asyncio.sleep(0)
    refusal = await refused(Code.RANGE_INVALID, append(registry, NAME, upload.id, chunks(b"second")))
    assert "another request" in str(refusal)
    await refused(Code.RANGE_INVALID, finish(registry, NAME, upload.id, sha256(b"first")))
    come.set()
    await first
    blob = await finish(registry, NAME, upload.id, sha256(b"first"))
    assert await content(registry, blob) == b"first"


async def test_two_writers_in_two_instances(registry: Registry, other: Registry) -> None:
    """One of them wins; what it brought is what is there."""
    for _ in range(5):
        upload = await begin(registry, NAME)
        sent = {each: os.urandom(2 * MIB) for each in "ab"}
        results = await asyncio.gather(
            append(registry, NAME, upload.id, chunks(sent["a"])),
            append(other, NAME, upload.id, chunks(sent["b"])),
            return_exceptions=True,
        )
        won = [name for name, result in zip("ab", results, strict=True) if not isinstance(result, BaseException)]
        assert [type(result) for result in results].count(Refusal) == 1 and len(won) == 1
        blob = await finish(registry, NAME, upload.id, sha256(sent[won[0]]))
        assert await content(registry, blob) == sent[won[0]]


async def test_two_who_finish(registry: Registry, other: Registry, records: MemoryUploads) -> None:
    """Each with an end of its own: one blob comes of it, and it is what its digest says."""
    for _ in range(5):
        upload = await begin(registry, NAME)
        await append(registry, NAME, upload.id, chunks(b"begin "))
        ends = [os.urandom(MIB), os.urandom(MIB)]
        results = await asyncio.gather(
            *(
                finish(each, NAME, upload.id, sha256(b"begin " + end), chunks(end))
                for each, end in zip((registry, other), ends, strict=True)
            ),
            return_exceptions=True,
        )
        blobs = [result for result in results if isinstance(result, Blob)]
        assert len(blobs) == 1 and [type(each) for each in results].count(Refusal) == 1
        data = await content(registry, blobs[0])
        assert sha256(data) == blobs[0].digest
        assert not records.uploads


CALLS = [(name, number) for name in ("upload", "advance_upload", "add_blob", "end_upload") for number in (1, 2)]


@pytest.mark.parametrize("where", CALLS, ids=lambda where: f"{where[0]}-{where[1]}")
async def test_whoever_cancels_never_takes_a_blob_s_bytes(
    registry: Registry, other: Registry, records: MemoryUploads, where: tuple[str, int]
) -> None:
    """An upload is cancelled elsewhere at some step of its being finished: there is a whole blob, or nothing at all."""
    data = os.urandom(MIB)
    upload = await begin(registry, NAME)
    await append(registry, NAME, upload.id, chunks(data[:1000]))
    before = at(records, where, upload.id)
    stop = asyncio.create_task(_cancel_when(before, other))
    result: Blob | Exception
    try:
        result = await finish(registry, NAME, upload.id, sha256(data), chunks(data[1000:]))
    except PierError as error:
        result = error
    before.set()
    await stop
    with suppress(Refusal):
        await cancel(registry, NAME, upload.id)
    if isinstance(result, Blob):
        assert await content(registry, result) == data
        assert await all_of(registry.storage) == [result.location]
    else:
        assert not records.blobs and await all_of(registry.storage) == []


class Moment(asyncio.Event):
    """Set at a call to the records, when the upload was as ``seen``."""

    seen: Upload | None = None


def at(records: MemoryUploads, where: tuple[str, int], id: str) -> Moment:
    moment, count = Moment(), itertools.count(1)

    def before(name: str) -> None:
        if name == where[0] and next(count) == where[1]:
            moment.seen = records.uploads.get(id)
            moment.set()

    records.before = before
    return moment


async def _cancel_when(moment: Moment, registry: Registry) -> None:
    await moment.wait()
    if moment.seen is not None:
        await discard(registry, moment.seen)


async def test_the_same_bytes_twice_are_kept_once(registry: Registry, other: Registry, records: MemoryUploads) -> None:
    data = os.urandom(17 * MIB)
    blobs = await asyncio.gather(
        *(monolithic(each, NAME, sha256(data), chunks(data)) for each in (registry, other, registry, other))
    )
    assert len({blob.location for blob in blobs}) == 1
    assert await all_of(registry.storage) == [blobs[0].location] and not records.uploads


async def test_a_database_that_fails_loses_no_upload(registry: Registry, records: MemoryUploads) -> None:
    upload = await begin(registry, NAME)
    await append(registry, NAME, upload.id, chunks(b"12345"))

    def fail(name: str) -> None:
        if name == "add_blob":
            raise Unavailable("the database is gone")

    records.before = fail
    with pytest.raises(Unavailable):
        await finish(registry, NAME, upload.id, sha256(b"12345"))
    records.before = lambda name: None
    assert (await status(registry, NAME, upload.id)).offset == 5
    assert await content(registry, await finish(registry, NAME, upload.id, sha256(b"12345"))) == b"12345"


async def test_an_upload_whose_instance_died_while_it_finished(registry: Registry, records: MemoryUploads) -> None:
    upload = await begin(registry, NAME)
    await append(registry, NAME, upload.id, chunks(b"12345"))
    await records.advance_upload(upload.id, 5, FINISHING, records.uploads[upload.id].state, NOW)
    await refused(Code.BLOB_UPLOAD_UNKNOWN, status(registry, NAME, upload.id))
    assert await discard(registry, records.uploads[upload.id])
    assert not records.uploads and await all_of(registry.storage) == []


async def test_bytes_that_the_storage_lost(registry: Registry, records: MemoryUploads) -> None:
    upload = await begin(registry, NAME)
    upload = await append(registry, NAME, upload.id, chunks(b"x" * 17 * MIB))
    await registry.storage.delete(upload.location, upload.state)
    await refused(Code.BLOB_UPLOAD_UNKNOWN, finish(registry, NAME, upload.id, sha256(b"x"), chunks(b"y")))
    assert not records.uploads


async def test_leases_mounts_and_deletion(registry: Registry, records: MemoryUploads) -> None:
    blob = await monolithic(registry, NAME, sha256(b"x"), chunks(b"x"))
    key = (NAME, blob.digest)
    assert records.leases[key] == NOW + 3600
    records.leases[key] = 0
    await head(registry, NAME, blob.digest)
    assert records.leases[key] == 0
    await head(registry, NAME, blob.digest, keep=True)
    assert records.leases[key] == NOW + 3600
    assert await mount(registry, "other", NAME, blob.digest) == blob
    assert records.leases["other", blob.digest] == NOW + 3600
    assert await mount(registry, "other", "nowhere", blob.digest) is None
    assert await mount(registry, "other", "../x", blob.digest) is None
    await delete(registry, NAME, blob.digest)
    await refused(Code.BLOB_UNKNOWN, delete(registry, NAME, blob.digest))
    await refused(Code.BLOB_UNKNOWN, head(registry, NAME, blob.digest))
    await refused(Code.BLOB_UNKNOWN, head(registry, NAME, Digest("sha256:" + "0" * 64)))
    with pytest.raises(NotFound):
        await content(registry, Blob(blob.digest, 1, registry.storage.location(), 0))


async def test_a_full_disk_loses_nothing(small_disk: Path, records: MemoryUploads) -> None:
    registry = await instance(f"file://{small_disk}/blobs", records)
    sound = await monolithic(registry, NAME, sha256(b"s"), chunks(b"s"))
    upload = await begin(registry, NAME)
    data = os.urandom(32 * MIB)
    with pytest.raises(NoSpace):
        await append(registry, NAME, upload.id, chunks(*(data[at : at + MIB] for at in range(0, len(data), MIB))))
    reached = (await status(registry, NAME, upload.id)).offset
    assert 10 * MIB < reached < 16 * MIB
    with pytest.raises(NoSpace):
        await monolithic(registry, NAME, sha256(data), chunks(data))
    process.run_sync(["mount", "-o", "remount,size=64m", str(small_disk)])
    blob = await finish(registry, NAME, upload.id, sha256(data), chunks(data[reached:]), start=reached)
    assert await content(registry, blob) == data and await content(registry, sound) == b"s"
    assert not records.uploads and sorted(await all_of(registry.storage)) == sorted([blob.location, sound.location])
    await registry.storage.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    process.run_sync(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)])
    yield tmp_path
    process.run_sync(["umount", "-l", str(tmp_path)])
