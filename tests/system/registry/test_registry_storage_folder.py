"""Blobs in a folder."""

import asyncio
import os
import re
import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pier.errors import InvalidArgument, NoSpace, Unavailable
from pier.linux import process
from pier.registry.storage import Storage
from pier.registry.storages.folder import FolderStorage
from pier.registry.storages.opening import open_storage
from pier.testing.registry_storage import MIB, Again, StorageSuite, all_of, bytes_of, kept, paused, raised


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
async def storage(root: Path) -> AsyncIterator[FolderStorage]:
    storage = FolderStorage(root)
    yield storage
    await storage.stop()


@pytest.fixture
async def again(root: Path) -> AsyncIterator[Again]:
    made: list[FolderStorage] = []

    async def open_again() -> FolderStorage:
        made.append(FolderStorage(root))
        return made[-1]

    yield open_again
    for each in made:
        await each.stop()


class TestFolder(StorageSuite):
    pass


async def test_a_blob_is_one_file_whose_descriptor_can_be_had(storage: FolderStorage, root: Path) -> None:
    location = await kept(storage, b"hello")
    file = root / location[:2] / location
    assert file.read_bytes() == b"hello" and file.stat().st_mode & 0o777 == 0o600
    descriptor = storage.open(location)
    try:
        assert os.pread(descriptor, 10, 1) == b"ello"
    finally:
        os.close(descriptor)
    there: Storage = storage
    assert await there.url(location, 60) is None


async def test_a_link_is_not_followed(storage: FolderStorage, root: Path) -> None:
    location = storage.location()
    (root / location[:2] / location).symlink_to("/etc/passwd")
    await raised(Unavailable, bytes_of(storage, location, 0, 1))
    await raised(Unavailable, storage.resume(location, 0, b""))


async def test_what_another_put_there_is_no_blob(storage: FolderStorage, root: Path) -> None:
    (root / "ab" / "lost+found").mkdir()
    (root / "notes.txt").write_text("x")
    assert await all_of(storage) == []


async def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    storage = FolderStorage(small_disk / "blobs")
    sound = await kept(storage, b"s" * MIB)
    location = storage.location()
    offset, state = await paused(storage, location, b"begin")
    writer = await storage.resume(location, offset, state)
    with pytest.raises(NoSpace):
        for _ in range(40):
            await writer.write(bytes(MIB))
    reached, state = await writer.pause()
    await writer.close()
    assert reached >= offset
    with pytest.raises(NoSpace):
        for _ in range(100):
            await storage.healthy()
            await kept(storage, bytes(128 << 10))
    assert await bytes_of(storage, sound, 0, MIB) == b"s" * MIB
    await storage.delete(location, state)
    await storage.healthy()
    assert (await bytes_of(storage, await kept(storage, b"room"), 0, 4)) == b"room"
    await storage.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    process.run_sync(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)])
    yield folder
    process.run_sync(["umount", "-l", str(folder)])


async def test_a_limit_of_the_system_is_no_loss_either(storage: FolderStorage) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, limits[1]))
    try:
        held = []
        with pytest.raises(Unavailable, match="Too many open files"):
            while True:
                held.append(await storage.resume(storage.location(), 0, b""))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    for writer in held:
        await writer.close()
    assert await all_of(storage) == []


async def test_cancelled_requests_hold_nothing_open(storage: FolderStorage) -> None:
    """A file that was opened for a request that has gone is closed, and its lock is free."""
    finished = await kept(storage, b"x" * MIB)
    location = storage.location()
    before = len(os.listdir("/proc/self/fd"))
    for steps in range(40):
        for call in (storage.resume(location, 0, b""), bytes_of(storage, finished, 0, MIB)):
            task = asyncio.ensure_future(call)
            for _ in range(steps % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
    assert len(os.listdir("/proc/self/fd")) == before
    await (await storage.resume(location, 0, b"")).close()
    assert await all_of(storage) == [finished]


async def test_addresses(tmp_path: Path) -> None:
    storage = await open_storage(f"file://{tmp_path}/a%20b")
    await storage.healthy()
    assert (tmp_path / "a b" / "00").is_dir()
    await storage.stop()
    for bad in ("", "/var/x", "file://host/x", "file:x", "file:///x?y", "gs://x", "s3://", "s3://b/p?x=y", "s3://b?x"):
        with pytest.raises(InvalidArgument):
            await open_storage(bad)
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=re.escape("the storage does not work")):
        await open_storage(f"file://{tmp_path}/file/x")


async def test_what_the_kernel_has_forgotten_is_read_from_the_disk(storage: FolderStorage, root: Path) -> None:
    """What it has in memory is copied at once; both may take turns within one blob."""
    data = os.urandom(3 * MIB + 5)
    location = await kept(storage, data)
    file = os.open(root / location[:2] / location, os.O_RDONLY)
    try:
        os.fsync(file)
        for start, length in ((0, 0), (MIB, 512 << 10), (2 * MIB, 4096)):  # 0: up to the end
            os.posix_fadvise(file, start, length, os.POSIX_FADV_DONTNEED)
            assert await bytes_of(storage, location, 0, len(data)) == data
            assert await bytes_of(storage, location, MIB - 3, MIB + 7) == data[MIB - 3 : MIB + 7]
    finally:
        os.close(file)
