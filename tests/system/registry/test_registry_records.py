"""The registry's records over SQLite and over PostgreSQL: what each call promises, also when several call at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from pier.errors import Conflict, DataCorrupted, InvalidArgument, Unavailable
from pier.metadata.registry.opening import open_records
from pier.metadata.registry.records import SqlRecords
from pier.oci.digest import Digest, sha256
from pier.registry.model import Blob, Job, Manifest, Project, Reference, Run, Upload, User
from pier.registry.records import CONDEMNED, Records
from pier.registry.refusals import Code, Refusal
from pier.testing.postgres import Server, postgres

NOW = 1_000_000
LEASE = NOW + 3600
Open = Callable[[], Awaitable[Records]]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same database each time: as several instances do."""
    opened: list[SqlRecords] = []
    url = f"sqlite://{tmp_path}/registry.db"
    if request.param == "postgres":
        url = request.getfixturevalue("server").url
        empty(url)

    async def another() -> Records:
        opened.append(await open_records(url))
        return opened[-1]

    yield another
    for records in opened:
        await records.stop()


def empty(url: str) -> None:
    import psycopg

    with psycopg.connect(url) as raw:
        raw.execute("DROP SCHEMA public CASCADE")
        raw.execute("CREATE SCHEMA public")


@pytest.fixture
async def records(connect: Open) -> Records:
    return await connect()


def upload(name: str, repository: str = "p/a", offset: int = 0) -> Upload:
    return Upload(id=name, repository=repository, location=f"at-{name}", offset=offset, started=NOW, touched=NOW)


async def bring(records: Records, data: bytes, repository: str = "p/a", lease: int = LEASE, id: str = "") -> Blob:
    name = id or f"{repository}-{data.decode()}"
    await records.begin_upload(upload(name, repository))
    blob = Blob(sha256(data), len(data), f"at-{name}", NOW)
    return await records.add_blob(repository, name, blob, lease)


def manifest(text: str, *needs: Digest, images: tuple[Digest, ...] = (), subject: Digest | None = None) -> Manifest:
    data = text.encode()
    return Manifest(
        digest=sha256(data),
        media_type="application/x",
        data=data,
        subject=subject,
        annotations={"text": text},
        artifact_type="kind/x",
        references=(
            *(Reference(each, "blob", 1) for each in needs),
            *(Reference(each, "manifest", 1) for each in images),
        ),
    )


async def put(records: Records, made: Manifest, *tags: str, repository: str = "p/a") -> list[str]:
    return await records.put_manifest(repository, made, tags, NOW)


async def collected(records: Records, now: int = LEASE + 1) -> set[Digest]:
    found = await records.claim_garbage(now, 1000)
    await records.forget_blobs(found)
    return {blob.digest for blob in found}


def refused(code: Code) -> "pytest.RaisesExc[Refusal]":
    return pytest.RaisesExc(Refusal, check=lambda error: error.code is code)


# --- uploads ---


async def test_an_upload_has_one_writer(records: Records) -> None:
    await records.begin_upload(upload("one"))
    assert await records.upload("p/a", "one") == upload("one")
    assert await records.upload("p/other", "one") is None
    assert await records.advance_upload("one", 0, 10, b"state", NOW + 1)
    assert not await records.advance_upload("one", 0, 20, b"late", NOW + 2)
    found = await records.upload("p/a", "one")
    assert found and (found.offset, found.state, found.touched) == (10, b"state", NOW + 1)
    assert [each.id for each in await records.stale_uploads(NOW + 2, 10)] == ["one"]
    assert await records.stale_uploads(NOW + 1, 10) == []
    await records.end_upload("one")
    assert await records.upload("p/a", "one") is None


async def test_of_many_writers_one_advances(connect: Open) -> None:
    both = [await connect(), await connect()]
    await both[0].begin_upload(upload("one"))
    won = await asyncio.gather(
        *(both[number % 2].advance_upload("one", 0, number + 1, b"", NOW) for number in range(10))
    )
    assert sum(won) == 1


# --- blobs ---


async def test_a_blob_belongs_to_who_brought_or_mounted_it(records: Records) -> None:
    blob = await bring(records, b"x")
    assert await records.blob("p/a", blob.digest) == blob
    assert await records.blob("p/b", blob.digest) is None
    assert await records.mount_blob("p/b", "p/none", blob.digest, LEASE) is None
    assert await records.mount_blob("p/b", "p/a", blob.digest, LEASE) == blob
    assert await records.homes(blob.digest, 10) == ["p/a", "p/b"]
    assert await records.unlink_blob("p/a", blob.digest)
    assert not await records.unlink_blob("p/a", blob.digest)
    assert await records.blob("p/b", blob.digest) == blob


async def test_the_same_bytes_twice_are_kept_once(records: Records) -> None:
    first = await bring(records, b"x")
    second = await bring(records, b"x", id="again")
    assert second == first
    left = await records.upload("p/a", "again")
    assert left and left.offset == CONDEMNED
    with refused(Code.BLOB_UPLOAD_UNKNOWN):
        await records.add_blob("p/a", "again", Blob(sha256(b"x"), 1, "at-again", NOW), LEASE)


async def test_a_lease_is_never_shortened(records: Records) -> None:
    blob = await bring(records, b"x", lease=NOW + 100)
    assert await records.blob("p/a", blob.digest, NOW + 500)
    assert await records.blob("p/a", blob.digest, NOW + 50)
    assert await collected(records, NOW + 400) == set()
    assert await collected(records, NOW + 501) == {blob.digest}
    assert await records.blob("p/a", blob.digest) is None
    assert await records.blob("p/a", blob.digest, LEASE) is None


async def test_what_a_manifest_needs_stays(records: Records) -> None:
    blob, loose = await bring(records, b"x"), await bring(records, b"loose")
    assert await put(records, manifest("m", blob.digest), "1") == ["1"]
    assert await collected(records) == {loose.digest}
    with pytest.raises(Conflict):
        await records.unlink_blob("p/a", blob.digest)
    await records.delete_tag("p/a", "1")
    assert await collected(records) == {blob.digest}


async def test_claimed_bytes_are_replaced_not_revived(records: Records) -> None:
    old = await bring(records, b"x", lease=NOW)
    (claimed,) = await records.claim_garbage(NOW + 1, 10)
    assert claimed == old
    assert await records.blob("p/a", old.digest) is None
    new = await bring(records, b"x", id="new")
    assert new.location == "at-new"
    (left,) = await records.stale_uploads(NOW, 10)
    assert (left.location, left.offset) == (old.location, CONDEMNED)
    await records.forget_blobs([claimed])
    assert await records.blob("p/a", new.digest) == new


async def test_what_a_dead_instance_claimed_is_claimed_again(records: Records) -> None:
    blob = await bring(records, b"x", lease=NOW)
    assert await records.claim_garbage(NOW + 1, 10) == [blob]
    assert await records.claim_garbage(NOW + 30, 10) == []
    assert await records.claim_garbage(NOW + 120, 10) == [blob]
    await records.forget_blobs([blob])
    assert await records.claim_garbage(NOW + 500, 10) == []


# --- manifests and tags ---


async def test_a_manifest_as_it_was(records: Records) -> None:
    blob = await bring(records, b"x")
    made = manifest("m", blob.digest)
    assert await put(records, made, "1", "latest") == ["1", "latest"]
    assert await put(records, made, "1") == []
    for reference in (made.digest, "1", "latest"):
        found = await records.manifest("p/a", reference)
        assert found and (found.data, found.annotations, found.artifact_type) == (b"m", {"text": "m"}, "kind/x")
    assert await records.manifest("p/a", "2") is None
    assert await records.manifest("p/b", made.digest) is None
    await records.pulled("p/a", {"1": 3}, NOW + 5)
    assert [(tag.name, tag.pulled) for tag in await records.tags("p/a")] == [("1", NOW + 5), ("latest", 0)]


async def test_a_layer_that_came_after_its_manifest_stays_with_it(records: Records) -> None:
    """One that may lie elsewhere: the first push did without."""
    await put(records, manifest("m"), "1")
    blob = await bring(records, b"x")
    await put(records, manifest("m", blob.digest), "1")
    assert await collected(records) == set()
    await records.delete_tag("p/a", "1")
    assert await collected(records) == {blob.digest}


async def test_what_is_missing_is_named(records: Records) -> None:
    elsewhere = await bring(records, b"x", "p/b")
    with refused(Code.MANIFEST_BLOB_UNKNOWN) as caught:
        await put(records, manifest("m", elsewhere.digest, images=(sha256(b"no"),)), "1")
    assert caught.value.detail == [{"digest": elsewhere.digest}, {"digest": sha256(b"no")}]
    assert await records.repositories() == []
    with refused(Code.NAME_UNKNOWN):
        await records.tags("p/a")


async def test_lists_come_in_pages(records: Records) -> None:
    made = manifest("m")
    for name in ("b", "a", "A", "a-1", "Z"):
        await put(records, made, name)
    assert [tag.name for tag in await records.tags("p/a")] == ["A", "Z", "a", "a-1", "b"]
    assert [tag.name for tag in await records.tags("p/a", "Z", 2)] == ["a", "a-1"]
    for repository in ("p/b", "q", "p-x"):
        await put(records, made, "1", repository=repository)
    assert await records.repositories() == ["p-x", "p/a", "p/b", "q"]
    assert await records.repositories("p/a", 1) == ["p/b"]
    assert await records.repositories(prefix="p/") == ["p/a", "p/b"]


async def test_a_tag_takes_its_manifest_along(records: Records) -> None:
    one, two = manifest("one"), manifest("two")
    await put(records, one, "1", "also")
    await put(records, two, "2")
    assert await records.delete_tag("p/a", "1") == one.digest
    assert await records.manifest("p/a", one.digest)
    assert await records.delete_tag("p/a", "also") == one.digest
    assert await records.manifest("p/a", one.digest) is None
    with refused(Code.MANIFEST_UNKNOWN):
        await records.delete_tag("p/a", "1")
    await records.delete_tag("p/a", "2")
    assert await records.repositories() == []


async def test_what_was_pushed_by_digest_stays(records: Records) -> None:
    made, other = manifest("m"), manifest("other")
    await put(records, made)
    await put(records, other, "1")
    await put(records, made, "1")
    assert [each.digest for each in await records.manifests("p/a")] == sorted([made.digest, other.digest])
    assert all(each.data == b"" for each in await records.manifests("p/a"))


async def test_an_index_goes_with_its_images_and_what_is_about_them(records: Records) -> None:
    blob = await bring(records, b"x")
    image, kept = manifest("image", blob.digest), manifest("kept")
    for each in (image, kept):
        await put(records, each)
    await put(records, kept, "kept")
    index = manifest("index", images=(image.digest, kept.digest))
    await put(records, index, "1")
    signature = manifest("signature", subject=index.digest)
    await put(records, signature)
    about = manifest("about the signature", subject=signature.digest)
    await put(records, about)
    assert [each.digest for each in await records.referrers("p/a", index.digest)] == [signature.digest]
    with refused(Code.DENIED):
        await records.delete_manifest("p/a", image.digest)
    await records.delete_tag("p/a", "1")
    assert [each.digest for each in await records.manifests("p/a")] == [kept.digest]
    assert await collected(records) == {blob.digest}


async def test_a_signature_that_loses_its_tag_stays_with_its_image(records: Records) -> None:
    image = manifest("image")
    await put(records, image, "1")
    signature = manifest("signature", subject=image.digest)
    await put(records, signature, "sig")
    await records.delete_tag("p/a", "sig")
    assert await records.manifest("p/a", signature.digest)
    await records.delete_manifest("p/a", image.digest)
    assert await records.manifests("p/a") == []


async def test_deleting_a_manifest_takes_its_tags(records: Records) -> None:
    made = manifest("m")
    await put(records, made, "b", "a")
    assert await records.delete_manifest("p/a", made.digest) == ["a", "b"]
    with refused(Code.MANIFEST_UNKNOWN):
        await records.delete_manifest("p/a", made.digest)


async def test_immutable_tags(records: Records) -> None:
    await records.put_project(Project(name="p", immutable=("v*",)))
    one, two = manifest("one"), manifest("two")
    assert await put(records, one, "v1", "latest") == ["v1", "latest"]
    assert await put(records, one, "v1") == []
    with refused(Code.DENIED):
        await put(records, two, "latest", "v1")
    assert [tag.digest for tag in await records.tags("p/a")] == [one.digest] * 2
    for attempt in (records.delete_tag("p/a", "v1"), records.delete_manifest("p/a", one.digest)):
        with refused(Code.DENIED):
            await attempt
    assert await put(records, two, "latest") == ["latest"]


async def test_usage_counts_a_blob_once_a_project(records: Records) -> None:
    await bring(records, b"xxx")
    await bring(records, b"xxx", "p/b")
    await bring(records, b"xxx", "q")
    await bring(records, b"yy")
    assert await records.usage() == {"p": 5, "q": 3}
    assert await records.unlink_blob("p/a", sha256(b"xxx"))
    assert await records.usage("p") == {"p": 5}
    await collected(records)
    assert {key: value for key, value in (await records.usage()).items() if value} == {}


async def test_a_quota(records: Records) -> None:
    await records.put_project(Project(name="p", quota=5))
    small = await bring(records, b"xxx")
    await put(records, manifest("small", small.digest), "1")
    with refused(Code.DENIED) as caught:
        await bring(records, b"yyyyyyy")
    assert caught.value.detail == {"quota": 5, "used": 10}
    assert await records.usage("p") == {"p": 3}
    assert await records.upload("p/a", "p/a-yyyyyyy") is not None
    large = await bring(records, b"yyyyyyy", "q/a")
    assert await records.mount_blob("p/a", "q/a", large.digest, LEASE)
    with refused(Code.DENIED) as caught:
        await put(records, manifest("large", large.digest), "2")
    assert caught.value.detail == {"quota": 5, "used": 10}
    assert [tag.name for tag in await records.tags("p/a")] == ["1"]


async def test_a_push_ends_its_own_leases_alone(records: Records) -> None:
    """Space comes back when a tag goes, and not when the lease of the push that brought it would have ended."""
    await records.begin_upload(upload("x"))
    blob = await records.add_blob("p/a", "x", Blob(sha256(b"x"), 1, "at-x", NOW), LEASE, "me")
    await records.put_manifest("p/a", manifest("1", blob.digest), ["1"], NOW, "me")
    await records.delete_tag("p/a", "1", NOW + 30)
    assert await collected(records, NOW + 30) == set()
    assert await records.blob("p/a", blob.digest, LEASE, "me")
    assert await records.blob("p/a", blob.digest, LEASE, "you")
    await records.put_manifest("p/a", manifest("2", blob.digest), ["2"], NOW, "me")
    await records.delete_manifest("p/a", sha256(b"2"), NOW + 30)
    assert await collected(records, NOW + 31) == set()
    await records.put_manifest("p/a", manifest("3", blob.digest), ["3"], NOW, "you")
    await records.delete_tag("p/a", "3", NOW + 30)
    assert await collected(records, NOW + 31) == {blob.digest}


async def test_leases_of_more_than_can_be_told_apart(records: Records) -> None:
    blob = await bring(records, b"x", lease=NOW + 1)
    for number in range(100):
        await records.blob("p/a", blob.digest, LEASE, f"somebody {number}")
    for number in range(100):
        await records.put_manifest("p/a", manifest("m", blob.digest), ["1"], NOW, f"somebody {number}")
    await records.delete_tag("p/a", "1")
    assert await collected(records, LEASE) == set()
    assert await collected(records) == {blob.digest}


async def test_leases_end_in_parts(records: Records) -> None:
    for number in range(5):
        await bring(records, b"%d" % number)
    assert [await records.end_leases(LEASE + 1, 3) for _ in range(3)] == [3, 2, 0]
    assert len(await collected(records)) == 5


async def test_a_push_of_the_same_is_new(records: Records) -> None:
    """What is pushed every night is not old."""
    await put(records, manifest("m"), "1")
    assert await records.put_manifest("p/a", manifest("m"), ["1"], NOW + 5) == []
    (tag,) = await records.tags("p/a")
    assert (tag.created, tag.updated) == (NOW, NOW + 5)
    assert [each.pushed for each in await records.manifests("p/a")] == [NOW + 5]


async def test_a_tag_that_moved_meanwhile_stays(records: Records) -> None:
    await put(records, manifest("m"), "1")
    (seen,) = await records.tags("p/a")
    await records.put_manifest("p/a", manifest("m"), ["1"], NOW + 5)
    with refused(Code.MANIFEST_UNKNOWN):
        await records.delete_tag("p/a", "1", only=seen)
    (seen,) = await records.tags("p/a")
    assert await records.delete_tag("p/a", "1", only=seen) == sha256(b"m")


async def test_what_has_no_tag(records: Records) -> None:
    for each in (manifest("lone"), manifest("image"), manifest("tagged"), manifest("about", subject=sha256(b"tagged"))):
        await put(records, each)
    await put(records, manifest("tagged"), "1")
    await put(records, manifest("index", images=(sha256(b"image"),)), "2")
    await put(records, manifest("of none", subject=sha256(b"gone")))
    assert await records.untagged("p/a", NOW) == []
    found = {each.digest for each in await records.untagged("p/a", NOW + 1)}
    assert found == {sha256(b"lone"), sha256(b"of none")}
    for text, gone in (("lone", True), ("lone", False), ("image", False), ("tagged", False), ("about", False)):
        assert await records.delete_untagged("p/a", sha256(text.encode()), NOW + 1) is gone
    assert await records.delete_untagged("p/a", sha256(b"of none"), NOW) is False


# --- checks ---


async def test_a_lost_blob_is_brought_again(records: Records) -> None:
    blob = await bring(records, b"x")
    await put(records, manifest("m", blob.digest), "1", "2")
    await put(records, manifest("n", blob.digest))
    assert await records.live_blobs("", 10) == [blob]
    assert await records.needing(blob.digest) == sorted(["p/a:1", "p/a:2", f"p/a@{sha256(b'n')}"])
    assert await records.lose_blob(blob, NOW)
    assert not await records.lose_blob(blob, NOW)
    assert await records.live_blobs("", 10) == [] and await records.locations("", "~") == {blob.location}
    assert await records.blob("p/a", blob.digest) is None
    assert await records.mount_blob("p/b", "p/a", blob.digest, LEASE) is None
    with refused(Code.MANIFEST_BLOB_UNKNOWN):
        await put(records, manifest("o", blob.digest))
    assert await collected(records) == set()
    again = await bring(records, b"x", id="again")
    assert await records.blob("p/a", blob.digest) == again
    assert [each.location for each in await records.stale_uploads(NOW, 10)] == [blob.location]
    assert await records.wrong_counts(False) == [] and await records.dangling() == []
    assert await collected(records) == set()


async def test_a_lost_blob_goes_with_its_manifests(records: Records) -> None:
    blob = await bring(records, b"x")
    await put(records, manifest("m", blob.digest), "1")
    await records.lose_blob(blob, NOW)
    await records.delete_tag("p/a", "1")
    assert await collected(records) == {blob.digest}
    assert await records.wrong_counts(False) == []


async def test_counts_are_mended(connect: Open) -> None:
    records = await connect()
    blob = await bring(records, b"xx")
    await put(records, manifest("m", blob.digest), "1")
    await put(records, manifest("index", images=(sha256(b"m"),)), "2")
    assert isinstance(records, SqlRecords)
    for table, change in (
        ("blobs", "links = 5"),
        ("links", "refs = 0"),
        ("manifests", "tags = 9, parents = 9"),
        ("repositories", "manifests = 1"),
        ("usage", "bytes = 7"),
    ):
        await corrupt(records, f"UPDATE {table} SET {change}")
    wrong = await records.wrong_counts(True)
    assert len(wrong) == 8 and "bytes of the project p: 7, should be 2" in wrong
    assert await records.wrong_counts(False) == []
    await corrupt(records, "DELETE FROM links")
    await corrupt(records, f"DELETE FROM manifests WHERE digest = '{sha256(b'm')}'")
    found = " ".join(await records.dangling())
    assert "the tag names: p/a 1" in found and f"its manifest refers to: p/a {sha256(b'm')}" in found
    assert f"an image of its index: p/a {sha256(b'index')}" in found


async def corrupt(records: SqlRecords, statement: str) -> None:
    await records._database.write(lambda sql: sql.execute(statement))


# --- at once ---


async def test_pushes_during_a_looping_collection_lose_nothing(connect: Open) -> None:
    """The clock of the collection runs ahead of all leases but the longest: whatever was not asked for goes at once."""
    both = [await connect(), await connect()]
    done = asyncio.Event()

    async def collect() -> None:
        while not done.is_set():
            await collected(both[1], NOW + 10)

    async def push(number: int) -> None:
        records = both[number % 2]
        for turn in range(3):
            shared = await bring(records, b"shared", lease=LEASE, id=f"s{number}-{turn}")
            own = await bring(records, f"own{number}-{turn}".encode(), lease=LEASE)
            await put(records, manifest(f"m{number}-{turn}", shared.digest, own.digest), f"t{number}")
            if turn % 2:
                await records.delete_tag("p/a", f"t{number}")

    task = asyncio.create_task(collect())
    await asyncio.gather(*(push(number) for number in range(8)))
    done.set()
    await task
    for each in await both[0].manifests("p/a"):
        number = (await both[0].manifest("p/a", each.digest) or each).data.decode()[1:]
        assert await both[0].blob("p/a", sha256(b"shared"))
        assert await both[0].blob("p/a", sha256(f"own{number}".encode()))


async def test_one_of_many_pushes_gets_an_immutable_tag(connect: Open) -> None:
    both = [await connect(), await connect()]
    await both[0].put_project(Project(name="p", immutable=("*",)))

    async def attempt(number: int) -> int:
        try:
            return len(await put(both[number % 2], manifest(f"m{number}"), "1"))
        except Refusal as error:
            assert error.code is Code.DENIED
            return 0

    assert sum(await asyncio.gather(*(attempt(number) for number in range(12)))) == 1


async def test_parallel_pushes_of_one_image(connect: Open) -> None:
    both = [await connect(), await connect()]

    async def push(number: int) -> None:
        records = both[number % 2]
        blob = await bring(records, b"x", id=f"u{number}")
        await put(records, manifest("m", blob.digest), "1")

    await asyncio.gather(*(push(number) for number in range(30)))
    assert [tag.name for tag in await both[1].tags("p/a")] == ["1"]
    assert await collected(both[0]) == set()
    await both[0].delete_tag("p/a", "1")
    assert await collected(both[0]) == {sha256(b"x")}
    assert (await both[0].usage()).get("p", 0) == 0


# --- people, jobs, locks ---


async def test_projects_users_and_settings(records: Records) -> None:
    user = User(name="me", secret="hash", projects={"p": "writer"})
    await records.put_user(user)
    await records.put_user(user)
    assert (await records.user("me"), await records.user("you"), await records.users()) == (user, None, [user])
    assert await records.delete_user("me") and not await records.delete_user("me")
    project = Project(name="p", public=True, quota=7)
    await records.put_project(project)
    assert (await records.project("p"), await records.projects()) == (project, [project])
    await records.delete_project("p")
    assert await records.project("p") is None
    assert await records.setting("key") is None
    assert await records.put_setting("key", b"\x00one", only_new=True) == b"\x00one"
    assert await records.put_setting("key", b"two", only_new=True) == b"\x00one"
    assert await records.put_setting("key", b"three") == b"three"
    assert await records.setting("key") == b"three"


async def test_jobs(connect: Open) -> None:
    both = [await connect(), await connect()]
    for number in range(6):
        await both[0].add_job(Job(id=f"j{number}", kind="hook", detail=b"{}", due=NOW + number, created=NOW))
    taken = await asyncio.gather(*(both[n % 2].take_job(("hook", "x"), NOW + 3, NOW + 60) for n in range(8)))
    assert sorted(job.id for job in taken if job) == ["j0", "j1", "j2", "j3"]
    await both[0].end_job("j0")
    await both[0].put_off_job("j1", NOW + 500, "it failed")
    again = await both[1].take_job(("hook",), NOW + 61, NOW + 120)
    assert again and (again.id, again.attempts) == ("j4", 0)
    left = {job.id: (job.attempts, job.last_error) for job in await both[0].jobs(("hook",))}
    assert left["j1"] == (1, "it failed") and "j0" not in left
    assert await both[0].take_job(("other",), NOW + 999, NOW + 1000) is None


async def test_runs(connect: Open) -> None:
    both = [await connect(), await connect()]
    begun = Run(id="r1", kind="replication", name="mirror", subject="everything", created=NOW)
    await both[0].put_run(begun)
    assert await both[1].run("r1") == begun
    ended = Run(
        id="r1",
        kind="replication",
        name="mirror",
        subject="everything",
        state="done",
        created=NOW,
        started=NOW + 1,
        ended=NOW + 2,
        note="3 copied",
        log="one\ntwo\n",
    )
    await both[1].put_run(ended)
    assert await both[0].run("r1") == ended and await both[0].run("r2") is None
    await both[0].put_run(Run(id="b1", kind="build", name="site", created=NOW + 5, log="long"))
    await both[0].put_run(Run(id="r2", kind="replication", name="other", created=NOW + 9))
    assert [(each.id, each.log) for each in await both[1].runs()] == [("r2", ""), ("b1", ""), ("r1", "")]
    assert [each.id for each in await both[1].runs("replication")] == ["r2", "r1"]
    assert [each.id for each in await both[1].runs("replication", "mirror")] == ["r1"]
    assert [each.id for each in await both[1].runs(limit=1)] == ["r2"]


async def test_of_runs_the_newest_stay(records: Records) -> None:
    await records.put_run(Run(id="other", kind="build", name="mirror", created=NOW))
    for number in range(5):
        await records.put_run(Run(id=f"r{number}", kind="replication", name="mirror", created=NOW + number), keep=3)
    assert [each.id for each in await records.runs("replication")] == ["r4", "r3", "r2"]
    assert await records.run("r1") is None and await records.run("other")


async def test_a_lock_has_one_holder(connect: Open) -> None:
    both = [await connect(), await connect()]
    won = await asyncio.gather(*(both[n % 2].lock("collect", f"h{n}", NOW, NOW + 60) for n in range(8)))
    assert sum(won) == 1
    holder = f"h{won.index(True)}"
    assert await both[0].lock("collect", holder, NOW + 30, NOW + 90)
    assert not await both[0].lock("collect", "else", NOW + 80, NOW + 200)
    assert await both[0].lock("collect", "else", NOW + 91, NOW + 200)


# --- the databases themselves ---


async def test_what_was_said_is_there_after_a_restart(connect: Open) -> None:
    first = await connect()
    await put(first, manifest("m"), "1")
    await first.healthy()
    second = await connect()
    assert await second.manifest("p/a", "1")


async def test_a_server_that_goes_and_comes_back(server: Server) -> None:
    empty(server.url)
    records = await open_records(server.url)
    try:
        await put(records, manifest("m"), "1")
        server.stop()
        with pytest.raises(Unavailable, match="does not answer"):
            await records.manifest("p/a", "1")
        server.start()
        assert await records.manifest("p/a", "1")
        await put(records, manifest("n"), "2")
    finally:
        await records.stop()


@pytest.mark.parametrize(
    ("url", "kind", "text"),
    [
        ("mysql://x/y", InvalidArgument, "unknown database 'mysql'"),
        ("postgresql:/registry:secret@db/registry", InvalidArgument, "^unknown database 'postgresql': sqlite:///PATH"),
        ("sqlite:///nowhere/at/all.db", InvalidArgument, "cannot use the database"),
        ("postgresql:///x?host=/nowhere", Unavailable, "does not answer"),
        ("postgresql://[", InvalidArgument, "cannot read the database's address"),
    ],
)
async def test_databases_that_are_none(url: str, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        await open_records(url)


async def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "registry.db"
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(DataCorrupted, match="has schema 99"):
        await open_records(f"sqlite://{path}")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(DataCorrupted, match="is damaged"):
        await open_records(f"sqlite://{path}")
