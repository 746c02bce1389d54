"""Many who push to one project over PostgreSQL: all of it counts towards one number, and nobody is turned away."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from pier.metadata.registry.opening import open_records
from pier.metadata.registry.records import SqlRecords
from pier.oci.digest import sha256
from pier.registry.model import Blob, Manifest, Reference, Upload
from pier.testing.postgres import Server, postgres
from tests.system.registry.waiting import until

NOW = 1_000_000
PUSHERS = 50
IMAGES = 2
BLOBS = 3


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres() as made:
        yield made


async def push(records: SqlRecords, repository: str, name: str) -> None:
    """An image whose blobs nobody else has."""
    references = []
    for number in range(BLOBS):
        data = f"{repository} {name} {number}".encode()
        upload = Upload(id=data.hex(), repository=repository, location=data.hex(), offset=0, started=NOW, touched=NOW)
        await records.begin_upload(upload)
        blob = Blob(sha256(data), 100, upload.location, NOW)
        await records.add_blob(repository, upload.id, blob, NOW + 3600, repository)
        references.append(Reference(blob.digest, "blob", blob.size))
    data = f"{repository} {name}".encode()
    made = Manifest(digest=sha256(data), media_type="application/x", data=data, references=tuple(references))
    await records.put_manifest(repository, made, [name], NOW, repository)


async def crowd(url: str, instances: int, project: str) -> None:
    opened = [await open_records(url) for _ in range(instances)]

    async def pusher(number: int) -> None:
        for count in range(IMAGES):
            await push(opened[number % instances], f"{project}/r{number}", f"t{count}")

    await asyncio.gather(*(pusher(number) for number in range(PUSHERS)))
    assert await opened[0].usage(project) == {project: PUSHERS * IMAGES * BLOBS * 100}
    assert await opened[0].wrong_counts(False) == [] == await opened[0].dangling()
    for records in opened:
        await records.stop()


async def begun_again(url: str) -> int:
    """Transactions that came to nothing, once all who were connected have reported theirs."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as raw:
        others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pier-registry'"

        async def connected() -> int:
            found = await (await raw.execute(others)).fetchone()
            return int(found[0]) if found else 0

        await until(connected, lambda count: not count)
        question = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        found = await (await raw.execute(question)).fetchone()
        assert found
        return int(found[0])


async def test_one_instance(server: Server) -> None:
    """They wait for each other instead of beginning anew."""
    await crowd(server.url, 1, "p")
    writes = PUSHERS * IMAGES * (2 * BLOBS + 1)
    assert await begun_again(server.url) < writes / 20


async def test_several_instances(server: Server) -> None:
    await crowd(server.url, 5, "p")


async def test_projects_do_not_wait_for_each_other(server: Server) -> None:
    """Nor for a crowd: it has one connection, of eight."""
    records = await open_records(server.url)
    others = asyncio.gather(*(push(records, f"p/r{number}", "t") for number in range(PUSHERS)))
    await push(records, "q/a", "t")
    assert not others.done()
    await others
    await records.stop()
