"""Replications that are killed, kept off and disturbed; and two instances with one schedule."""

import asyncio
import gzip
import json
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.oci.digest import sha256
from pier.registry.replication.schedule import EVERY
from pier.testing.faulty_registry import FaultyRegistry, cut, faulty_registry, hang, say
from pier.testing.postgres import Server, postgres
from pier.testing.registry import free_port
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import Image, assert_whole, image, push
from tests.system.registry.replicating import digest, ended, ran, rule, run
from tests.system.registry.waiting import eventually

MIB = 1 << 20
COUNT = 20
KILLED_AFTER = 5


@pytest.fixture
def database() -> Iterator[Server]:
    with postgres() as server:
        yield server


def images() -> list[Image]:
    shared = image(4 * MIB).blobs[1:]
    return [image(2 * MIB, also=shared) for _ in range(COUNT)]


async def moved(http: aiohttp.ClientSession, figure: str) -> int:
    """Bytes of blobs that the registry has sent or received."""
    async with http.get("/metrics") as answer:
        text = await answer.text()
    found = re.findall(rf'^pier_registry_{figure}_bytes_total{{endpoint="(?:upload|uploads|blob)"}} (\d+)', text, re.M)
    return sum(map(int, found))


async def test_killed_in_the_midst_it_goes_on_with_what_is_lacking(tmp_path: Path) -> None:
    await asyncio.gather(*(killed(direction, tmp_path / direction) for direction in ("push", "pull")))


async def killed(direction: str, tmp_path: Path) -> None:
    made = images()
    whole = sum({sha256(blob): len(blob) for each in made for blob in each.blobs}.values())
    async with pier_registry(tmp_path / "there") as other, aiohttp.ClientSession(f"http://{other.host}") as there:
        address = f"127.0.0.1:{free_port()}"
        mine = {"listen": [address], "job_lease": 3, "replication": [rule(direction, other.host, on_push=False)]}
        async with aiohttp.ClientSession(f"http://{address}") as here:
            source, target = (here, there) if direction == "push" else (there, here)
            async with pier_registry(tmp_path / "here", **mine) as registry:
                for number, each in enumerate(made):
                    await push(source, "team/app", f"{number:02}", each)
                before = await moved(there, "received"), await moved(there, "sent")
                id = await run(here)
                await eventually(partial(digest, target, "team/app", f"{KILLED_AFTER:02}"))
                registry.child.send_signal(signal.SIGKILL)
                await registry.child.wait()
            async with pier_registry(tmp_path / "here", **mine):
                found = await ended(here, id, seconds=120)
                assert found["state"] == "done" and "attempt 2" in found["log"], found
                for number, each in enumerate(made):
                    await assert_whole(target, "team/app", f"{number:02}", each)

        async def all_of_it() -> int:
            after = await moved(there, "received"), await moved(there, "sent")
            total = after[0] - before[0] if direction == "push" else after[1] - before[1]
            return total if total >= whole else 0

        assert await eventually(all_of_it) <= 1.1 * whole


async def test_a_transfer_that_breaks_goes_on_where_it_was(tmp_path: Path) -> None:
    layer = image(8 * MIB).blobs[1]
    async with faulty_registry() as other:
        wanted = other.add_image("team/app", "1", [layer], level=0)
        other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1"]}'))
        other.misbehave(r"GET .*/blobs/", cut(after=3 * MIB), times=3)
        async with serving(tmp_path, rule("pull", other.host, names=["team/app"], referrers=False)) as here:
            found = await ran(here)
            assert found["state"] == "done", found
            assert await digest(here, "team/app", "1") == wanted
            assert other.served <= 1.1 * sum(map(len, other.blobs.values()))


def serving(folder: Path, *rules: dict[str, Any]) -> "_Serving":
    return _Serving(folder, list(rules))


class _Serving:
    """A registry with these rules, as one speaks to it."""

    def __init__(self, folder: Path, rules: list[dict[str, Any]]) -> None:
        self._registry = pier_registry(folder, replication=rules)

    async def __aenter__(self) -> aiohttp.ClientSession:
        self._http = aiohttp.ClientSession(f"http://{(await self._registry.__aenter__()).host}")
        return self._http

    async def __aexit__(self, *error: Any) -> None:
        await self._http.close()
        await self._registry.__aexit__(*error)


async def test_a_registry_that_is_stopped_goes_on_when_it_is_started(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with faulty_registry() as other:
        other.add_image("team/app", "1", [b"layer"])
        other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1"]}'))
        other.misbehave(r"GET .*/blobs/", hang)
        pulled = rule("pull", other.host, names=["team/app"], referrers=False)
        async with serving(tmp_path, pulled) as here:
            id = await run(here)
            await eventually(lambda: _asked(other, "/blobs/"))
            began = loop.time()
        assert loop.time() - began < 30
        other.forget()
        other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1"]}'))
        async with serving(tmp_path, pulled) as here:
            found = await ended(here, id)
            assert found["state"] == "done" and "attempt 2" in found["log"], found


async def _asked(registry: FaultyRegistry, what: str) -> bool:
    return any(what in each for each in registry.requests)


async def test_a_busy_registry_is_given_the_time_that_it_asks_for(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with faulty_registry() as other:
        other.add_image("team/app", "1", [b"layer"])
        other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1"]}'))
        other.misbehave(r"HEAD .*/manifests/1", say(429, "", {"Retry-After": "3"}), times=1)
        async with serving(tmp_path, rule("pull", other.host, names=["team/app"], referrers=False)) as here:
            began = loop.time()
            found = await ran(here)
            assert found["state"] == "done" and loop.time() - began >= 3
            assert "attempt" not in found["log"]


async def test_a_registry_that_stays_busy_is_left_alone(tmp_path: Path) -> None:
    """Not asked for the next images, since it would refuse these too."""
    async with faulty_registry() as other:
        other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1", "2", "3", "4"]}'))
        other.misbehave(r"HEAD .*/manifests/", say(429, "", {"Retry-After": "3600"}))
        for tag in "1234":
            other.add_image("team/app", tag, [b"layer"])
        async with serving(tmp_path, rule("pull", other.host, names=["team/app"], referrers=False)) as here:
            id = await run(here)
            await eventually(lambda: _put_off(here, id, "toomanyrequests"))
            asked = [each for each in other.requests if each.startswith("HEAD")]
            assert set(asked) == {"HEAD /v2/team/app/manifests/1"} and len(asked) <= 3
            other.forget()
            other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1", "2", "3", "4"]}'))
            assert (await ended(here, id))["state"] == "done"


async def _put_off(http: aiohttp.ClientSession, id: str, why: str) -> bool:
    async with http.get(f"/api/v1/runs/{id}") as answer:
        found = await answer.json()
        return found["state"] == "queued" and why in found["note"]


async def test_one_image_that_fails_keeps_the_others_from_nothing(tmp_path: Path) -> None:
    async with faulty_registry() as other:
        other.misbehave(r"GET .*/tags/list", say(200, '{"tags": ["1", "2", "3"]}'))
        for tag in "13":
            other.add_image("team/app", tag, [b"layer " + tag.encode()])
        other.add_manifest("team/app", "2", {"schemaVersion": 1, "fsLayers": []})
        async with serving(tmp_path, rule("pull", other.host, names=["team/app"], referrers=False)) as here:
            found = await ran(here)
            assert found["state"] == "failed" and found["note"].startswith("2 copied")
            assert "team/app:2: manifest invalid" in found["log"]
            assert await digest(here, "team/app", "1") and await digest(here, "team/app", "3")


async def test_bytes_that_are_not_what_they_should_be_are_not_kept(tmp_path: Path) -> None:
    async with faulty_registry() as other:
        other.misbehave(r"GET .*/tags/list", say(200, json.dumps({"tags": ["1", "2", "../2", "a\nb"]})))
        other.add_image("team/app", "1", [b"good"])
        other.add_image("team/app", "2", [b"layer"])
        (layer,) = (each for each, data in other.blobs.items() if data == gzip.compress(b"layer", 1, mtime=0))
        other.blobs[layer] = b"x" * len(other.blobs[layer])
        async with serving(tmp_path, rule("pull", other.host, names=["team/app"], referrers=False)) as here:
            found = await ran(here)
            assert found["note"].startswith("1 copied"), found
            assert "team/app:2: provided digest did not match" in found["log"] and len(found["log"].splitlines()) == 2
            assert await digest(here, "team/app", "1") and not await digest(here, "team/app", "2")
            async with here.get(f"/v2/team/app/blobs/{layer}") as answer:
                assert answer.status == 404


async def test_a_size_that_is_not_the_blobs(tmp_path: Path) -> None:
    """Manifests may say another; what counts is what is there."""
    made = image(1000)
    lying = Image(made.blobs, made.manifest.replace(b'"size": 1000', b'"size": 7'))
    async with (
        pier_registry(tmp_path / "there") as other,
        aiohttp.ClientSession(f"http://{other.host}") as there,
        serving(tmp_path, rule("push", other.host, on_push=False)) as here,
    ):
        await push(here, "app", "1", lying)
        assert (await ran(here))["state"] == "done"
        await assert_whole(there, "app", "1", lying)


async def test_a_registry_that_lists_nothing_is_said_so(tmp_path: Path) -> None:
    async with faulty_registry() as other:
        other.misbehave(r"GET /v2/_catalog", say(401))
        async with serving(tmp_path, rule("pull", other.host, names=["team/*"])) as here:
            found = await ran(here)
            assert found["state"] == "failed" and "name them without wildcards" in found["note"]


async def test_two_instances_do_what_the_clock_says_once(database: Server, tmp_path: Path) -> None:
    made = image(MIB)
    shared = {"database": database.url, "storage": f"file://{tmp_path}/blobs"}
    async with pier_registry(tmp_path / "there") as other, aiohttp.ClientSession(f"http://{other.host}") as there:
        await push(there, "team/app", "1", made)
        rules = [rule("pull", other.host, every=3600)]
        async with (
            pier_registry(tmp_path / "one", replication=rules, **shared) as one,
            pier_registry(tmp_path / "two", replication=rules, **shared) as two,
            aiohttp.ClientSession(f"http://{one.host}") as first,
            aiohttp.ClientSession(f"http://{two.host}") as second,
        ):
            await eventually(partial(digest, second, "team/app", "1"))
            await assert_whole(first, "team/app", "1", made)
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=2.2 * EVERY)
            listed = await (await first.get("/api/v1/runs")).json()
            assert [each["note"].partition(" (")[0] for each in listed] == ["1 copied"]
