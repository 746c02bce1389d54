"""Quotas while many push at once: what is on its way counts, and nobody is kept out by what did not come."""

import asyncio
import os
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from pier.metadata.registry.opening import open_records
from pier.oci.digest import sha256
from pier.registry.model import Project
from pier.testing.postgres import postgres
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import Refused, image, push

MIB = 1 << 20
QUOTA = 10 * MIB
PATIENCE = 60


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path, collect_every=1) as server:
        records = await open_records(f"sqlite://{server.root}/registry.db")
        await records.put_project(Project(name="team", quota=QUOTA))
        await records.stop()
        yield server


@pytest.fixture
async def http(server: PierRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{server.host}", connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def begun(http: aiohttp.ClientSession, name: str = "team/a") -> str:
    async with http.post(f"/v2/{name}/blobs/uploads/") as answer:
        assert answer.status == 202, await answer.text()
        return answer.headers["Location"]


class Push:
    """Has sent ``sent`` of its bytes, and goes on when it is told to. ``tells``: it says how many it brings."""

    def __init__(self, http: aiohttp.ClientSession, size: int, sent: int, tells: bool) -> None:
        self._http = http
        self._data = os.urandom(size)
        self._sent = sent
        self._tells = tells
        self.go_on = asyncio.Event()
        self.told = ""

    async def run(self, name: str = "team/a") -> int:
        where = await begun(self._http, name)
        headers = {"Content-Length": str(len(self._data))} if self._tells else {}
        url = f"{where}?digest={sha256(self._data)}"
        try:
            async with self._http.put(url, data=self._body(), headers=headers) as answer:
                self.told = await answer.text()
                return answer.status
        except aiohttp.ClientConnectionError:  # it was refused while it was sending
            return 403

    async def _body(self) -> AsyncIterator[bytes]:
        yield self._data[: self._sent]
        await self.go_on.wait()
        yield self._data[self._sent :]


async def used(server: PierRegistry) -> int:
    records = await open_records(f"sqlite://{server.root}/registry.db")
    taken = (await records.usage("team")).get("team", 0)
    await records.stop()
    return taken


async def test_what_they_say_that_they_bring_counts(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Those that would be too much are refused while they have sent next to nothing."""
    pushes = [Push(http, 4 * MIB, 10, True) for _ in range(6)]
    running = [asyncio.create_task(each.run()) for each in pushes]
    async with asyncio.timeout(PATIENCE):
        while sum(task.done() for task in running) < 4:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=0.1)
        assert {task.result() for task in running if task.done()} == {403}
        assert any("of 10485760 that it may" in each.told for each in pushes)
        for each in pushes:
            each.go_on.set()
        assert sorted(await asyncio.gather(*running)) == [201, 201, 403, 403, 403, 403]
    assert await used(server) == 8 * MIB


async def test_what_has_come_counts(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Docker and skopeo do not say how much they bring."""
    pushes = [Push(http, 4 * MIB, 3 * MIB, False) for _ in range(3)]
    running = [asyncio.create_task(each.run()) for each in pushes]
    for each in pushes:
        each.go_on.set()
    async with asyncio.timeout(PATIENCE):
        statuses = await asyncio.gather(*running)
    assert statuses.count(201) <= 2
    assert await used(server) <= QUOTA
    async with asyncio.timeout(PATIENCE):
        async with http.post("/v2/team/a/blobs/uploads/") as answer:
            assert answer.status == 202


async def test_pieces_between_two_requests_count(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    data = os.urandom(6 * MIB)
    one, two = await begun(http), await begun(http)
    async with http.patch(one, data=BytesIO(data)) as answer:
        assert answer.status == 202
    async with http.patch(two, data=BytesIO(os.urandom(6 * MIB))) as answer:
        assert answer.status == 403
    async with http.get(two) as answer:
        assert answer.status == 404
    async with http.put(f"{one}?digest={sha256(data)}") as answer:
        assert answer.status == 201
    async with http.put(f"{await begun(http)}?digest={sha256(data[:MIB])}", data=BytesIO(data[:MIB])) as answer:
        assert answer.status == 201


async def test_what_is_given_up_counts_no_more(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    where = await begun(http)
    async with http.patch(where, data=BytesIO(bytes(8 * MIB))) as answer:
        assert answer.status == 202
    async with http.delete(where) as answer:
        assert answer.status == 204
    await push(http, "team/a", "1", image(8 * MIB))


async def test_pushers_side_by_side(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Whatever they do to each other, the project never has more than it may, and takes what fits afterwards."""
    images = [image(1_900_000, 1_900_000) for _ in range(6)]

    async def pushed(number: int) -> bool:
        try:
            await push(http, f"team/n{number}", "1", images[number])
        except (Refused, aiohttp.ClientConnectionError):
            return False
        return True

    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*map(pushed, range(6)))
        there = {number for number, done in enumerate(outcomes) if done}
        assert len(there) <= 2
        assert await used(server) <= QUOTA
        while len(there) < 2:
            number = min(set(range(6)) - there)
            if await pushed(number):
                there.add(number)
        assert not await pushed(min(set(range(6)) - there))


async def test_two_instances_share_a_quota(tmp_path: Path) -> None:
    """Each counts what comes to itself; what they have brought is one account."""
    with postgres() as database:
        async with (
            pier_registry(tmp_path, database=database.url) as one,
            pier_registry(tmp_path, database=database.url) as two,
            aiohttp.ClientSession(f"http://{one.host}") as first,
            aiohttp.ClientSession(f"http://{two.host}") as second,
        ):
            records = await open_records(database.url)
            await records.put_project(Project(name="team", quota=QUOTA))
            pushes = [Push(http, 6 * MIB, 10, True) for http in (first, second)]
            running = [asyncio.create_task(each.run()) for each in pushes]
            for each in pushes:
                each.go_on.set()
            async with asyncio.timeout(PATIENCE):
                assert sorted(await asyncio.gather(*running)) == [201, 403]
            assert (await records.usage("team"))["team"] == 6 * MIB
            await records.stop()
