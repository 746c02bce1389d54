"""What every storage of the registry does: tests that each implementation runs.

A subclass has a fixture ``storage`` with an empty storage, and one ``again`` that opens the same place once more, as
another instance does, or the same after a crash.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

from pier.errors import Conflict, DataCorrupted, NotFound, PierError
from pier.registry.storage import Storage

Again = Callable[[], Awaitable[Storage]]
KIB = 1 << 10
MIB = 1 << 20

HOSTILE = (
    "",
    ".",
    "..",
    "../" + "a" * 32,
    "ab/../../../../etc/passwd",
    "/etc/passwd",
    "A" * 32,
    "a" * 31,
    "a" * 33,
    "a" * 31 + "/",
    "a" * 32 + "\n",
    "a" * 31 + "\0",
    "a" * 32 + "-../../x",
    "é" * 32,
)


async def raised(kind: type[PierError], call: Awaitable[object]) -> PierError:
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


async def bytes_of(storage: Storage, location: str, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in storage.read(location, start, stop)])


async def kept(storage: Storage, *pieces: bytes) -> str:
    """The location of a finished blob."""
    writer = await storage.resume(storage.location(), 0, b"")
    for piece in pieces:
        await writer.write(piece)
    assert await writer.finish() == sum(map(len, pieces))
    await writer.close()
    return writer.location


async def paused(
    storage: Storage, location: str, data: bytes, offset: int = 0, state: bytes = b""
) -> tuple[int, bytes]:
    writer = await storage.resume(location, offset, state)
    await writer.write(data)
    promise = await writer.pause()
    await writer.close()
    return promise


async def all_of(storage: Storage) -> list[str]:
    return [location async for location in storage.walk()]


class StorageSuite:
    async def test_what_was_written_can_be_read(self, storage: Storage) -> None:
        for size in (0, 1, 64 * KIB - 1, 64 * KIB, MIB + 1, 16 * MIB, 16 * MIB + 1):
            data = os.urandom(size)
            location = await kept(storage, data[: size // 3], b"", data[size // 3 :])
            assert await bytes_of(storage, location, 0, size) == data

    async def test_many_small_pieces_keep_their_order(self, storage: Storage) -> None:
        pieces = [os.urandom(number % 97) for number in range(3000)]
        data = b"".join(pieces)
        assert await bytes_of(storage, await kept(storage, *pieces), 0, len(data)) == data

    async def test_ranges(self, storage: Storage) -> None:
        data = os.urandom(3 * MIB)
        location = await kept(storage, data)
        for start, stop in ((0, 1), (5, 5), (MIB - 1, MIB + 1), (MIB, 3 * MIB), (3 * MIB - 1, 3 * MIB)):
            assert await bytes_of(storage, location, start, stop) == data[start:stop]
        await raised(DataCorrupted, bytes_of(storage, location, 3 * MIB - 10, 3 * MIB + 10))

    async def test_an_upload_goes_on_in_another_instance(self, storage: Storage, again: Again) -> None:
        location, data, offset, state = storage.location(), b"", 0, b""
        for size in (10, 0, 3 * MIB, 15 * MIB, 1, 20 * MIB):
            piece = os.urandom(size)
            data += piece
            offset, state = await paused(await again(), location, piece, offset, state)
            assert offset == len(data)
        writer = await (await again()).resume(location, offset, state)
        assert await writer.finish() == len(data)
        await writer.close()
        assert writer.location.startswith(location)
        assert await bytes_of(storage, writer.location, 0, len(data)) == data
        assert await all_of(storage) == [writer.location]

    async def test_a_writer_goes_on_after_a_pause(self, storage: Storage) -> None:
        writer = await storage.resume(storage.location(), 0, b"")
        data = b""
        for number in range(5):
            data += bytes([number]) * 5 * MIB
            await writer.write(data[-5 * MIB :])
            assert (await writer.pause())[0] == len(data)
        assert await writer.finish() == len(data)
        await writer.close()
        assert await bytes_of(storage, writer.location, 0, len(data)) == data

    async def test_what_was_not_promised_is_dropped(self, storage: Storage, again: Again) -> None:
        location = storage.location()
        offset, state = await paused(storage, location, b"promised")
        writer = await storage.resume(location, offset, state)
        await writer.write(b"lost" * 100 * KIB)
        await writer.close()
        writer = await (await again()).resume(location, offset, state)
        await writer.write(b" and kept")
        assert await writer.finish() == 17
        await writer.close()
        await writer.close()
        assert await bytes_of(storage, writer.location, 0, 17) == b"promised and kept"

    async def test_what_was_not_promised_may_be_salvaged(self, storage: Storage, again: Again) -> None:
        """As far as there is anything: and then it is a promise."""
        location = storage.location()
        assert await storage.salvage(location) == 0
        data = os.urandom(3 * MIB)
        writer = await storage.resume(location, 0, b"")
        await writer.write(data[:MIB])
        offset, state = await writer.pause()
        await writer.write(data[MIB : 2 * MIB])
        if storage.exclusive:
            assert await storage.salvage(location) == 0
        await writer.close()
        other = await again()
        there = await other.salvage(location)
        assert there in (0, 2 * MIB)
        offset = max(offset, there)
        writer = await other.resume(location, offset, state)
        await writer.write(data[offset:])
        assert await writer.finish() == len(data)
        assert await bytes_of(other, writer.location, 0, len(data)) == data
        await writer.close()

    async def test_a_promise_holds_whatever_comes_after_it(self, storage: Storage, again: Again) -> None:
        location = storage.location()
        writer = await storage.resume(location, 0, b"")
        await writer.write(b"promised")
        offset, state = await writer.pause()
        await writer.write(b"lost" * 100 * KIB)
        await writer.close()
        writer = await (await again()).resume(location, offset, state)
        assert await writer.finish() == 8
        await writer.close()
        assert await bytes_of(storage, writer.location, 0, 8) == b"promised"

    async def test_an_upload_without_a_promise_leaves_nothing(self, storage: Storage) -> None:
        writer = await storage.resume(storage.location(), 0, b"")
        await writer.write(b"x" * 100 * KIB)
        await writer.close()
        assert await all_of(storage) == []

    async def test_a_cancelled_write_promises_nothing_wrong(self, storage: Storage) -> None:
        location = storage.location()
        writer = await storage.resume(location, 0, b"")
        data = os.urandom(4 * MIB)
        await writer.write(data)
        task = asyncio.create_task(writer.write(data))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        offset, state = await writer.pause()
        await writer.close()
        writer = await storage.resume(location, offset, state)
        assert await writer.finish() == offset
        await writer.close()
        assert await bytes_of(storage, writer.location, 0, offset) == (data + data)[:offset]

    async def test_more_than_there_is_cannot_be_gone_on_from(self, storage: Storage) -> None:
        location = storage.location()
        await raised(DataCorrupted, storage.resume(location, 5, b""))
        _, state = await paused(storage, location, b"four")
        await raised(DataCorrupted, storage.resume(location, 5, state))
        await raised(DataCorrupted, paused(storage, storage.location(), b"x", 4, b"nonsense"))

    async def test_two_writers_never_mix_what_they_write(self, storage: Storage, again: Again) -> None:
        location, other = storage.location(), await again()
        offset, state = await paused(storage, location, b"begin ")
        first = await storage.resume(location, offset, state)
        if storage.exclusive:
            await raised(Conflict, other.resume(location, offset, state))
            await raised(Conflict, other.resume(location, 0, b""))
            await first.close()
            await (await other.resume(location, offset, state)).close()
            return
        second = await other.resume(location, offset, state)
        await first.write(b"one" * 7 * MIB)
        await second.write(b"two" * 7 * MIB)
        for writer, data in ((first, b"begin " + b"one" * 7 * MIB), (second, b"begin " + b"two" * 7 * MIB)):
            try:
                assert await writer.finish() == len(data)
                assert await bytes_of(storage, writer.location, 0, len(data)) == data
            except (DataCorrupted, NotFound):
                assert writer is second
        await first.close()
        await second.close()
        assert first.location != second.location

    async def test_deleting(self, storage: Storage) -> None:
        finished, unfinished = await kept(storage, b"x"), storage.location()
        _, state = await paused(storage, unfinished, b"y" * 20 * MIB)
        there = await all_of(storage)
        assert finished in there and any(each.startswith(unfinished) for each in there)
        for _ in range(2):
            await storage.delete(finished)
            await storage.delete(unfinished, state)
        assert await all_of(storage) == []
        await raised(NotFound, bytes_of(storage, finished, 0, 1))

    async def test_an_upload_is_deleted_whose_state_was_never_known(self, storage: Storage) -> None:
        location = storage.location()
        await paused(storage, location, b"z" * 17 * MIB)
        await storage.delete(location)
        assert await all_of(storage) == []

    async def test_an_upload_that_was_deleted_cannot_go_on(self, storage: Storage) -> None:
        location = storage.location()
        offset, state = await paused(storage, location, b"z" * 17 * MIB)
        await storage.delete(location, state)
        try:
            writer = await storage.resume(location, offset, state)
            await raised(DataCorrupted, writer.finish())
            await writer.close()
        except DataCorrupted:
            assert storage.exclusive

    async def test_what_is_not_there(self, storage: Storage) -> None:
        await raised(NotFound, bytes_of(storage, storage.location(), 0, 1))

    async def test_names_cannot_escape(self, storage: Storage) -> None:
        for location in HOSTILE:
            await raised(NotFound, bytes_of(storage, location, 0, 1))
            await raised(NotFound, storage.resume(location, 0, b""))
            await raised(NotFound, storage.delete(location))
            try:
                assert storage.open(location) is None
            except NotFound:
                assert storage.exclusive

    async def test_locations_are_new(self, storage: Storage, again: Again) -> None:
        other = await again()
        assert len({*(storage.location() for _ in range(100)), *(other.location() for _ in range(100))}) == 200

    async def test_health(self, storage: Storage) -> None:
        await storage.healthy()
        assert await all_of(storage) == []
