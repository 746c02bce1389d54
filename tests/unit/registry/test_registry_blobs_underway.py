"""What an instance remembers of uploads; threads that are left in order; digests."""

import asyncio
import threading

import pytest

from pier.oci.digest import hex_of, sha256
from pier.registry.blobs.digests import parsed
from pier.registry.blobs.underway import Hash, Underway
from pier.registry.model import Upload
from pier.registry.refusals import Code, Refusal
from pier.registry.threads import hop, unbroken

MIB = 1 << 20


def hashed(data: bytes) -> Hash:
    hash = Hash()
    hash.update(data)
    return hash


def upload(id: str, offset: int) -> Upload:
    return Upload(id=id, repository="a", location="l", offset=offset, started=0, touched=0)


def test_a_hash_is_given_to_one_caller() -> None:
    underway = Underway()
    underway.remember(upload("a", 3), hashed(b"one"))
    kept = underway.recall("a")
    assert kept is not None and kept.hash is not None and kept.upload == upload("a", 3)
    kept.hash.update(b" two")
    assert (kept.hash.size, kept.hash.hexdigest()) == (7, hex_of(sha256(b"one two")))
    assert underway.recall("a") is None
    underway.remember(upload("a", 7), kept.hash)
    underway.forget("a")
    assert underway.recall("a") is None


def test_a_hash_of_other_bytes_is_none() -> None:
    underway = Underway()
    for hash in (hashed(b"more than was written"), None):
        underway.remember(upload("a", 3), hash)
        kept = underway.recall("a")
        assert kept is not None and kept.hash is None


def test_what_is_kept_is_bounded() -> None:
    underway = Underway()
    for number in range(5000):
        underway.remember(upload(str(number), 1), hashed(b"x"))
    assert underway.recall("0") is None and underway.recall("4999") is not None
    assert sum(underway.recall(str(number)) is not None for number in range(5000)) == 4095


def test_one_writer_at_a_time() -> None:
    underway = Underway()
    with underway.alone("a") as first, underway.alone("a") as second, underway.alone("b") as other:
        assert (first, second, other) == (True, False, True)
    with underway.alone("a") as again:
        assert again


def test_a_refused_writer_does_not_end_the_turn_of_the_first() -> None:
    underway = Underway()
    with underway.alone("a"):
        with underway.alone("a"):
            pass
        with underway.alone("a") as third:
            assert not third


def test_many_uploads_take_no_more_memory_than_few() -> None:
    underway = Underway()
    sizes = []
    turns = [underway.alone(str(number)) for number in range(200)]
    for number, turn in enumerate(turns, 1):
        turn.__enter__()
        sizes.append(number * underway.piece())
    assert underway.piece() == 64 << 10 and max(sizes) <= 200 * (64 << 10)
    for turn in turns:
        turn.__exit__(None, None, None)
    assert underway.piece() == MIB


async def test_a_cancelled_caller_waits_for_its_thread() -> None:
    go, done = threading.Event(), []

    def work() -> None:
        go.wait(10)
        done.append(1)

    task = asyncio.create_task(hop(None, work))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done


async def test_work_that_is_not_broken_off() -> None:
    steps, go = [], asyncio.Event()

    async def work() -> str:
        steps.append("begun")
        await go.wait()
        steps.append("done")
        return "result"

    result, _ = await asyncio.gather(unbroken(work()), _set(go))
    assert result == "result"
    go.clear()
    task = asyncio.create_task(unbroken(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["begun", "done"] * 2

    async def fail() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await unbroken(fail())


async def _set(event: asyncio.Event) -> None:
    event.set()


@pytest.mark.parametrize(
    ("digest", "message"),
    [
        ("", "invalid checksum digest format"),
        ("sha256:abc", "invalid checksum digest length"),
        ("sha512:" + "0" * 128, "unsupported digest algorithm"),
        ("sha256:" + "0" * 64 + "/..", "invalid checksum digest format"),
    ],
)
def test_digests_that_are_refused(digest: str, message: str) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        parsed(digest)
    assert caught.value.code == Code.DIGEST_INVALID
