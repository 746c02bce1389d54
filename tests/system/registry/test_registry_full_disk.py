"""A disk that fills up under the registry: clients are told so, nothing is lost, and it goes on when there is room."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from pier.linux import process
from pier.oci.digest import sha256
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import Image, Refused, assert_whole, delete, image, push, put

MEGABYTE = 1 << 20
NAME = "team/a"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder whose registry has a file system of 64 MiB to itself."""
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        yield tmp_path


@pytest.fixture(params=["tmpfs", "ext4"])
def any_small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "tmpfs":
        yield request.getfixturevalue("small")
        return
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(64 * MEGABYTE)
    made = process.run_sync(["mkfs.ext4", "-q", "-m", "0", "-b", "4096", str(disk)])
    assert made.returncode == 0, made.stderr
    with mounted(tmp_path, "-o", "loop", str(disk)):
        yield tmp_path


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[None]:
    root = folder / "pier-registry"
    root.mkdir()
    done = process.run_sync(["mount", *words, str(root)])
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        process.run_sync(["umount", "-l", str(root)])


def room(root: Path, megabytes: int) -> None:
    process.run_sync(["mount", "-o", f"remount,size={megabytes}m", str(root)])


def fill(path: Path) -> None:
    """Take all that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


async def refused(http: aiohttp.ClientSession, data: bytes) -> tuple[int, str]:
    """What is said of an upload in one request that there is no room for."""
    where = f"/v2/{NAME}/blobs/uploads/?digest={sha256(data)}"
    async with http.post(where, data=BytesIO(data)) as answer:
        return answer.status, await answer.text()


async def test_a_blob_that_does_not_fit(small: Path) -> None:
    first, large = image(4 * MEGABYTE), os.urandom(70 * MEGABYTE)
    async with pier_registry(small) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        await push(http, NAME, "1", first)
        status, text = await refused(http, large)
        assert status == 507 and "no space left on device" in text and "UNAVAILABLE" in text
        assert sum(path.stat().st_size for path in (registry.root / "blobs").rglob("*") if path.is_file()) < 5 << 20
        async with http.post(f"/v2/{NAME}/blobs/uploads/") as begun:
            where = begun.headers["Location"]
        async with http.patch(where, data=BytesIO(large)) as answer:
            assert answer.status == 507
        async with http.get(where) as answer:
            reached = int(answer.headers["Range"].partition("-")[2]) + 1
        assert reached > 10 * MEGABYTE
        await assert_whole(http, NAME, "1", first)
        room(registry.root, 128)
        async with http.put(f"{where}?digest={sha256(large)}", data=BytesIO(large[reached:])) as answer:
            assert answer.status == 201
        async with http.get(f"/v2/{NAME}/blobs/{sha256(large)}") as answer:
            assert sha256(await answer.read()) == sha256(large)


async def test_what_is_deleted_makes_room(small: Path) -> None:
    """The registry leaves its database the room that a deletion needs."""
    images: dict[str, Image] = {}
    async with (
        pier_registry(small, collect_every=1) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        with pytest.raises(Refused, match=r"507.*no space left on device"):
            while True:
                made = image(8 * MEGABYTE)
                await push(http, NAME, f"t{len(images)}", made)
                images[f"t{len(images)}"] = made
        assert len(images) > 4
        await delete(http, NAME, "t0")
        async with asyncio.timeout(150):
            while not await _pushed(http):
                await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.5)
        for tag in list(images)[1:]:
            await assert_whole(http, NAME, tag, images[tag])


async def _pushed(http: aiohttp.ClientSession) -> bool:
    made = image(MEGABYTE)
    try:
        await push(http, NAME, "new", made)
    except Refused as error:
        assert error.status == 507
        return False
    await assert_whole(http, NAME, "new", made)
    return True


async def test_others_take_all_there_is(small: Path) -> None:
    """Pulls go on, also after a kill; pushes are refused in words until there is room."""
    made = image(MEGABYTE)
    async with pier_registry(small) as registry:
        async with aiohttp.ClientSession(f"http://{registry.host}") as http:
            await push(http, NAME, "1", made)
            fill(registry.root / "full")
            for size in (10, 100_000, MEGABYTE):
                with pytest.raises(Refused, match=r"507.*UNAVAILABLE.*no space left on device"):
                    await push(http, NAME, "new", image(size))
            async with http.get("/readyz") as answer:
                assert answer.status == 503 and '"storage":"unavailable"' in await answer.text()
            async with http.get("/healthz") as answer:
                assert answer.status == 200
            await assert_whole(http, NAME, "1", made)
        registry.child.send_signal(signal.SIGKILL)
        await registry.child.wait()
    async with pier_registry(small) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        await assert_whole(http, NAME, "1", made)
        (registry.root / "full").unlink()
        assert await _pushed(http)
        await delete(http, NAME, "1")


async def test_deletions_on_a_disk_without_a_byte(any_small: Path) -> None:
    """Also by a registry that was stopped and started there, and while others take whatever comes free."""
    images = {f"t{number}": image(10_000) for number in range(60)}
    async with pier_registry(any_small) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        for tag, made in images.items():
            await push(http, NAME, tag, made)
        await take_all(registry.root)
        await delete_some(http, registry.root, images)
        await refuse_pushes(http, images)
    async with (
        pier_registry(any_small, collect_every=1) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        await take_all(registry.root)
        await delete_some(http, registry.root, images)
        await refuse_pushes(http, images)
        for tag, made in images.items():
            await assert_whole(http, NAME, tag, made)
        await asyncio.to_thread(give_back, registry.root)
        async with asyncio.timeout(150):
            while not await _pushed(http):
                await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.5)


async def take_all(root: Path) -> None:
    await asyncio.to_thread(lambda: fill(root / f"full{len(list(root.glob('full*')))}"))


def give_back(root: Path) -> None:
    for path in root.glob("full*"):
        path.unlink()


async def delete_some(http: aiohttp.ClientSession, root: Path, images: dict[str, Image]) -> None:
    for tag in list(images)[:25]:
        await delete(http, NAME, tag)
        del images[tag]
        await take_all(root)


async def refuse_pushes(http: aiohttp.ClientSession, images: dict[str, Image]) -> None:
    """Also a mere tag, which would take the room that deletions need."""
    tag, made = next(iter(images.items()))
    for _ in range(3):
        with pytest.raises(Refused, match=r"507.*no space left on device"):
            await put(http, NAME, f"{tag}-again", made)
    with pytest.raises(Refused, match=r"507.*no space left on device"):
        await push(http, NAME, "new", image(10))
