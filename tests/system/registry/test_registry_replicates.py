"""What one registry replicates to another, and from it: two processes, spoken to as clients do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from pier.oci.digest import sha256
from pier.testing.registry import free_port
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import assert_whole, delete, image, push
from tests.system.registry.replicating import (
    digest,
    push_index,
    ran,
    referring,
    rule,
    run,
    sign,
)
from tests.system.registry.waiting import eventually

Two = tuple[aiohttp.ClientSession, aiohttp.ClientSession]
KIB = 1024


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[tuple[PierRegistry, aiohttp.ClientSession]]:
    async with pier_registry(folder, **settings) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        yield registry, http


@asynccontextmanager
async def two(tmp_path: Path, direction: str, **more: Any) -> AsyncIterator[Two]:
    """The one that has the rule, and the other one."""
    async with AsyncExitStack() as stack:
        other, there = await stack.enter_async_context(serving(tmp_path / "there"))
        rules = [rule(direction, other.host, **more)]
        _, here = await stack.enter_async_context(serving(tmp_path / "here", replication=rules))
        yield here, there


async def test_a_push_goes_on_to_the_other_registry(tmp_path: Path) -> None:
    made = image(50 * KIB, 10 * KIB)
    async with two(tmp_path, "push", names=["team/*"], tags=["*", "!*-dev"], prefix="copy/") as (here, there):
        await push(here, "team/app", "1-dev", made)
        await push(here, "other/app", "1", made)
        await push(here, "team/app", "1", made)
        await eventually(lambda: digest(there, "copy/team/app", "1"))
        await assert_whole(there, "copy/team/app", "1", made)
        assert not await digest(there, "copy/team/app", "1-dev")
        assert not await digest(there, "copy/other/app", "1")
        moved = image(also=made.blobs[1:])
        await push(here, "team/app", "1", moved)
        await eventually(lambda: is_at(there, "copy/team/app", "1", moved.digest))


async def is_at(http: aiohttp.ClientSession, name: str, reference: str, wanted: str) -> bool:
    return await digest(http, name, reference) == wanted


async def test_indexes_signatures_and_all_that_refers_to_them(tmp_path: Path) -> None:
    images = [image(10 * KIB), image(20 * KIB)]
    async with two(tmp_path, "push", on_push=False) as (here, there):
        index = await push_index(here, "app", "1", images)
        signature = await sign(here, "app", index, b"signed")
        described = await sign(here, "app", images[1], b"a bill of materials")
        await push(here, "app", f"sha256-{index.digest[7:]}.sig", image(KIB))
        found = await ran(here)
        assert found["state"] == "done", found
        for each in images:
            await assert_whole(there, "app", each.digest, each)
        assert await referring(there, "app", index) == [signature]
        assert await referring(there, "app", images[1]) == [described]
        assert await digest(there, "app", f"sha256-{index.digest[7:]}.sig")
        again = await ran(here)
        assert again["note"] == "0 copied (0 bytes), 2 there already"
        late = await sign(here, "app", index, b"signed later")
        await ran(here)
        assert sorted(await referring(there, "app", index)) == sorted([signature, late])


async def test_a_signature_follows_its_image(tmp_path: Path) -> None:
    made = image(10 * KIB)
    async with two(tmp_path, "push", tags=["v*"]) as (here, there):
        await push(here, "app", "v1", made)
        first = await sign(here, "app", made, b"at once")
        await push(here, "app", f"sha256-{made.digest[7:]}.sig", image(KIB))
        await eventually(lambda: digest(there, "app", first))
        await eventually(lambda: digest(there, "app", f"sha256-{made.digest[7:]}.sig"))
        second = await sign(here, "app", made, b"later")
        await eventually(lambda: digest(there, "app", second))
        unknown = image(KIB)
        await push(here, "app", "other", unknown)
        third = await sign(here, "app", unknown, b"of an image that stays")
        await sign(here, "app", made, b"the last")
        await eventually(lambda: has_referrers(there, "app", made, 3))
        assert not await digest(there, "app", third)


async def has_referrers(http: aiohttp.ClientSession, name: str, subject: Any, count: int) -> bool:
    return len(await referring(http, name, subject)) == count


async def test_all_is_pulled_and_what_is_gone_goes(tmp_path: Path) -> None:
    made, images = image(50 * KIB), [image(10 * KIB), image(20 * KIB)]
    async with two(tmp_path, "pull", names=["team/*", "!team/private"], deletions=True) as (here, there):
        await push(there, "team/app", "1", made)
        await push(there, "team/app", "2", image(10 * KIB, also=made.blobs[1:]))
        await push(there, "team/private", "1", made)
        index = await push_index(there, "team/both", "1", images)
        signature = await sign(there, "team/both", index, b"signed")
        found = await ran(here)
        assert (found["state"], found["note"].partition(" (")[0]) == ("done", "3 copied")
        await assert_whole(here, "team/app", "1", made)
        assert await referring(here, "team/both", index) == [signature]
        assert not await digest(here, "team/private", "1")
        await push(here, "elsewhere/app", "1", made)
        await delete(there, "team/app", "1")
        found = await ran(here)
        assert found["note"] == "0 copied (0 bytes), 2 there already, 1 deleted"
        assert not await digest(here, "team/app", "1") and await digest(here, "team/app", "2")
        assert await digest(here, "elsewhere/app", "1")


async def test_deletions_go_on_where_that_is_wanted(tmp_path: Path) -> None:
    one, other = image(KIB), image(KIB)
    async with two(tmp_path, "push", deletions=True) as (here, there):
        await push(there, "app", "own", one)
        for tag in ("1", "2"):
            await push(here, "app", tag, other)
            await eventually(partial(digest, there, "app", tag))
        await delete(here, "app", "1")
        await eventually(lambda: is_at(there, "app", "1", ""))
        assert await digest(there, "app", "2") and await digest(there, "app", "own")


async def test_what_goes_round_comes_to_rest(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    hosts = [f"127.0.0.1:{port}" for port in ports]
    made = image(10 * KIB)
    async with (
        serving(tmp_path / "0", listen=[hosts[0]], replication=[rule("push", hosts[1])]) as (_, here),
        serving(tmp_path / "1", listen=[hosts[1]], replication=[rule("push", hosts[0])]) as (_, there),
    ):
        await push(here, "app", "1", made)
        await eventually(lambda: digest(there, "app", "1"))
        await eventually(lambda: idle(here, there))
        runs = [await (await http.get("/api/v1/runs")).json() for http in (here, there)]
        assert [[each["note"].partition(" (")[0] for each in listed] for listed in runs] == [["1 copied"], []]


async def idle(*registries: aiohttp.ClientSession) -> bool:
    return not any([await (await http.get("/api/v1/jobs")).json() for http in registries])


async def test_quotas_and_immutable_tags_are_lines_of_the_run(tmp_path: Path) -> None:
    first, second, large = image(KIB), image(KIB), image(90 * KIB)
    async with two(tmp_path, "pull") as (here, there):
        await push(here, "team/app", "v1", first)
        async with here.put("/api/v1/projects/team", json={"quota": 50 * KIB, "immutable": ["v*"]}) as answer:
            assert answer.status in (200, 201), await answer.text()
        await push(there, "team/app", "v1", second)
        await push(there, "team/app", "large", large)
        await push(there, "team/app", "small", second)
        found = await ran(here)
        assert found["state"] == "failed"
        assert "team/app:v1: tag v1 is immutable" in found["log"]
        assert "team/app:large: the project team would take" in found["log"]
        assert await digest(here, "team/app", "v1") == first.digest
        assert await digest(here, "team/app", "small") == second.digest
        assert f"1 copied ({second.size} bytes), 0 there already, 2 failed" in found["note"]


async def test_a_registry_that_is_away_gets_all_when_it_is_back(tmp_path: Path) -> None:
    host = f"127.0.0.1:{free_port()}"
    made = [image(10 * KIB) for _ in range(5)]
    async with serving(tmp_path / "here", replication=[rule("push", host)]) as (_, here):
        for number, each in enumerate(made):
            await push(here, "app", str(number), each)
        await eventually(lambda: says(here, "connect: connection refused"))
        async with serving(tmp_path / "there", listen=[host]) as (_, there):
            for number, each in enumerate(made):
                await eventually(partial(digest, there, "app", str(number)))
                await assert_whole(there, "app", str(number), each)


async def says(http: aiohttp.ClientSession, text: str) -> bool:
    return any(
        each["state"] == "queued" and text in each["note"] for each in await (await http.get("/api/v1/runs")).json()
    )


async def test_a_wrong_password_is_said_and_shown_nowhere(tmp_path: Path) -> None:
    secret = "a-secret-that-nobody-sees"
    (tmp_path / "htpasswd").write_text("me:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n")
    async with serving(tmp_path / "there", htpasswd=str(tmp_path / "htpasswd")) as (other, _):
        remote = {"url": f"http://{other.host}", "username": "me", "password": secret}
        rules = [{"name": "mirror", "direction": "push", "remote": remote}]
        async with serving(tmp_path / "here", replication=rules) as (registry, here):
            await push(here, "app", "1", image(KIB))
            found = await ran(here)
            assert found["state"] == "failed" and "unauthorized" in found["note"], found
            for path in ("runs", f"runs/{found['id']}", "jobs", "replications"):
                async with here.get(f"/api/v1/{path}") as answer:
                    assert answer.status == 200 and secret not in await answer.text()
            assert secret not in registry.log.read_text()


async def test_who_signs_in_there_gets_what_they_may_read(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("me:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n")
    (tmp_path / "password").write_text("sekret\n")
    made = image(KIB)
    async with serving(tmp_path / "there") as (_, there):
        for name in ("team/app", "secret/app"):
            await push(there, name, "1", made)
    users = {"htpasswd": str(tmp_path / "htpasswd"), "anonymous_pull": ["team"]}
    async with serving(tmp_path / "there", **users) as (other, _):
        remote = {"url": f"http://{other.host}", "username": "me", "password_file": str(tmp_path / "password")}
        rules = [{"name": "mirror", "direction": "pull", "remote": remote}]
        async with serving(tmp_path / "here", replication=rules) as (_, here):
            found = await ran(here)
            assert (found["state"], found["note"].partition(" (")[0]) == ("done", "1 copied"), found
            await assert_whole(here, "team/app", "1", made)


async def test_who_is_no_administrator_sees_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("me:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n")
    rules = [rule("push", "127.0.0.1:1")]
    async with serving(tmp_path, htpasswd=str(tmp_path / "htpasswd"), replication=rules) as (registry, _):
        signed_in = {"Authorization": aiohttp.encode_basic_auth("me", "sekret")}
        for headers, status in (({}, 401), (signed_in, 403)):
            async with aiohttp.ClientSession(f"http://{registry.host}", headers=headers) as http:
                for path in ("runs", "runs/x", "jobs", "replications"):
                    async with http.get(f"/api/v1/{path}") as answer:
                        assert answer.status == status
                async with http.post("/api/v1/replications/mirror/run") as answer:
                    assert answer.status == status


async def test_a_run_that_waits_is_not_begun_twice(tmp_path: Path) -> None:
    async with serving(tmp_path, replication=[rule("pull", "127.0.0.1:1", names=["app"])]) as (_, http):
        assert len({await run(http) for _ in range(3)}) == 1
        async with http.post("/api/v1/replications/other/run") as answer:
            assert answer.status == 404


async def test_many_images_share_their_layers_on_the_way(tmp_path: Path) -> None:
    shared = image(200 * KIB).blobs[1:]
    made = [image(10 * KIB, also=shared) for _ in range(20)]
    async with two(tmp_path, "push") as (here, there):
        await asyncio.gather(*(push(here, f"team/app{n % 3}", f"{n}", each) for n, each in enumerate(made)))
        for number, each in enumerate(made):
            await eventually(partial(digest, there, f"team/app{number % 3}", f"{number}"))
            await assert_whole(there, f"team/app{number % 3}", f"{number}", each)
        listed = await (await here.get("/api/v1/runs?kind=replication")).json()
        moved = sum(int(each["note"].partition("(")[2].partition(" ")[0]) for each in listed)
        every = {sha256(blob): len(blob) for each in made for blob in each.blobs}
        assert moved == sum(every.values())
