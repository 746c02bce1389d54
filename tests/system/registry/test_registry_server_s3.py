"""Instances behind one address: one database, one bucket of a real S3, and nothing else that they share."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from pier.oci.digest import sha256
from pier.testing.registryserver import PierRegistry, pier_registry
from pier.testing.swift import Swift, swift

MIB = 1 << 20
NAME = "/v2/team/app"


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[Swift]:
    async with swift(tmp_path) as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def _begun(session: aiohttp.ClientSession, instance: PierRegistry) -> str:
    async with session.post(f"http://{instance.host}{NAME}/blobs/uploads/") as answer:
        assert answer.status == 202
        return answer.headers["Location"]


async def test_any_instance_goes_on_with_an_upload(s3: Swift, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    data, storage = os.urandom(20 * MIB), s3.url("blobs")
    digest = sha256(data)
    async with (
        pier_registry(tmp_path, storage=storage, redirect=True) as one,
        pier_registry(tmp_path, storage=storage, redirect=True) as two,
    ):
        path, offset = await _begun(session, one), 0
        for number, stop in enumerate((10, 17 * MIB, 17 * MIB + 1)):
            host = (one, two)[number % 2].host
            span = {"Content-Range": f"{offset}-{stop - 1}"}
            async with session.patch(f"http://{host}{path}", data=BytesIO(data[offset:stop]), headers=span) as answer:
                assert (answer.status, answer.headers["Range"]) == (202, f"0-{stop - 1}")
            offset = stop
        async with session.put(
            f"http://{two.host}{path}", params={"digest": digest}, data=BytesIO(data[offset:])
        ) as answer:
            assert answer.status == 201
        for instance in (one, two):
            blob = f"http://{instance.host}{NAME}/blobs/{digest}"
            async with session.get(blob, allow_redirects=False) as answer:
                assert answer.status == 307 and answer.headers["Location"].startswith(s3.endpoint)
            async with session.get(blob) as answer:
                assert sha256(await answer.read()) == digest


async def test_an_instance_is_killed_in_an_upload(s3: Swift, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    data, storage = os.urandom(40 * MIB), s3.url("blobs")
    digest = sha256(data)
    async with pier_registry(tmp_path, storage=storage) as two:
        async with pier_registry(tmp_path, storage=storage) as one:
            path = await _begun(session, one)
            async with session.patch(f"http://{one.host}{path}", data=BytesIO(data[: 18 * MIB])) as answer:
                assert answer.status == 202

            async def dying() -> AsyncIterator[bytes]:
                yield data[18 * MIB : 38 * MIB]
                one.child.send_signal(signal.SIGKILL)
                await asyncio.Event().wait()

            with pytest.raises(aiohttp.ClientError):
                await session.patch(f"http://{one.host}{path}", data=dying())
        async with session.get(f"http://{two.host}{path}") as answer:
            assert (answer.status, answer.headers["Range"]) == (204, f"0-{18 * MIB - 1}")
        url = f"http://{two.host}{path}"
        async with session.put(url, params={"digest": digest}, data=BytesIO(data[18 * MIB :])) as answer:
            assert answer.status == 201
        async with session.get(f"http://{two.host}{NAME}/blobs/{digest}", headers={"Range": "bytes=5-"}) as answer:
            assert answer.status == 206 and await answer.read() == data[5:]
