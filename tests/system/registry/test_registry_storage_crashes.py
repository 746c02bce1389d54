"""What is promised of an upload outlives the process; how much there is of it costs no memory."""

import asyncio
import hashlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pier.linux import process
from pier.registry.storages.opening import open_storage
from pier.testing.registry_storage import all_of, bytes_of
from pier.testing.swift import Swift, swift
from tests.system.registry.appending import content

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
KILLS = {"file": 12, "s3": 6}
LARGE = {
    "file": (5 << 30, "sha256:7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5"),
    "s3": (128 << 20, "sha256:254bcc3fc4f27172636df4bf32de9f107f620d559b20d760197e452b97453917"),
}
"""Zeros: how many, and their digest."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Swift]:
    async with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}"
    server: Swift = request.getfixturevalue("s3")
    return server.url("crashes")


async def test_promises_outlive_a_kill(url: str) -> None:
    storage = await open_storage(url)
    location, offset, state = storage.location(), 0, b""
    for _ in range(KILLS[url.partition(":")[0]]):
        offset, state = await _killed(url, location, offset, state)
    writer = await storage.resume(location, offset, state)
    assert await writer.finish() == offset > 0
    await writer.close()
    read = await bytes_of(storage, writer.location, 0, offset)
    assert hashlib.sha256(read).digest() == hashlib.sha256(content(0, offset)).digest()
    await storage.delete(location, state)
    assert await all_of(storage) == []
    await storage.stop()


async def _killed(url: str, location: str, offset: int, state: bytes) -> tuple[int, bytes]:
    """The last promise of a writer that is killed some time after some of its promises."""
    reader, writer = os.pipe()
    argv = [sys.executable, str(FOLDER / "appending.py"), url, location, str(offset), state.hex() or "-"]
    child = await process.spawn(argv, stdin=process.DEVNULL, stdout=writer, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(writer)
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb")
    )
    lines = [await stream.readline() for _ in range(random.randrange(1, 5))]
    await asyncio.sleep(random.random() / 50)
    child.send_signal(signal.SIGKILL)
    await child.wait()
    lines += (await stream.read()).splitlines(keepends=True)
    transport.close()
    last = [line for line in lines if line.endswith(b"\n")][-1].split()
    return int(last[0]), bytes.fromhex(last[1].decode().strip("-"))


async def test_large_blobs_take_little_memory(url: str) -> None:
    size, digest = LARGE[url.partition(":")[0]]
    argv = [sys.executable, str(FOLDER / "streaming.py"), url, str(size), digest]
    done = await process.run(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr.decode()
    brought, memory = map(int, done.stdout.split())
    assert brought == size
    assert memory < 20 << 10
