"""Automated builds: a repository's webhook calls, a real engine builds, and the image is in the registry."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.testing.engine import RunningEngine
from pier.testing.registrypeople import password, settle
from tests.compat.registrybuilding import (
    NAME,
    SECRET,
    ZEROS,
    House,
    daemon,
    github,
    gitlab,
    gitlab_pushed,
    house,
    pushed,
    repository,
    rule_of,
)
from tests.system.build.gitserver import Project

MAIN = "refs/heads/main"


__all__ = ["daemon", "repository"]


@pytest.fixture
def rule(daemon: RunningEngine, repository: tuple[Project, str]) -> dict[str, Any]:
    return rule_of(
        daemon, repository[1], git_tags=["v*"], tags=["latest", "{short}", "{tag}"], args={"WHO": "somebody"}
    )


@pytest.fixture
async def open_house(tmp_path: Path, rule: dict[str, Any]) -> AsyncIterator[House]:
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        yield made


def images(engine: RunningEngine) -> set[str]:
    return {tag for image in engine.request("GET", "/images/json")[1] for tag in image["RepoTags"] or ()}


async def test_a_push_becomes_an_image(
    open_house: House, daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """The commit that was pushed is built, though the branch has moved on since."""
    made, _ = repository
    commit = made.git("rev-parse", "HEAD")
    made.commit("two", text="two\n")
    made.publish()
    id = await open_house.push(MAIN, commit)
    run = await open_house.ended(id)
    assert run["subject"] == f"{MAIN}@{commit}" and run["ended"] >= run["started"] >= run["created"] > 0
    assert "Step 1/4 : FROM box\n" in run["log"] and "built for somebody\n" in run["log"], run["log"]
    assert run["note"].startswith("pushed 127.0.0.1:") and commit[:7] in run["note"]
    assert await open_house.tags() == [commit[:7], "latest"]
    assert images(daemon) == {"box:latest"}
    reference = f"{open_house.registry.host}/{NAME}:latest"
    assert daemon.request("POST", f"/images/create?fromImage={reference}")[0] == 200
    assert daemon.request("GET", f"/images/{reference}/history")[1][0]["CreatedBy"].count("built for")
    assert daemon.request("DELETE", f"/images/{reference}")[0] == 200


async def test_gitlab_and_tags(open_house: House, repository: tuple[Project, str]) -> None:
    made, _ = repository
    made.git("tag", "-a", "-m", "one", "v1")
    made.publish()
    commit = made.git("rev-parse", "HEAD")
    status, said = await open_house.call(gitlab_pushed("refs/tags/v1", commit, tag=True), gitlab("Tag Push Hook"))
    assert status == 202, said
    await open_house.ended(said["run"])
    assert await open_house.tags() == [commit[:7], "latest", "v1"]


async def test_people_push_what_was_built(
    tmp_path: Path, rule: dict[str, Any], repository: tuple[Project, str]
) -> None:
    """Where only people with rights may push, builds may: to their repository alone. Secrets are nowhere."""
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    auth = {"Authorization": aiohttp.encode_basic_auth("root", password("root"))}
    audit = tmp_path / "audit"
    async with asyncio.timeout(150), house(tmp_path, rule, auth, audit_log=str(audit)) as made:
        run = await made.ended(await made.push(MAIN, repository[0].git("rev-parse", "HEAD")))
        assert "latest" in await made.tags()
        async with made.http.get("/api/v1/builds") as answer:
            shown = await answer.text()
        for path in ("/api/v1/builds", "/api/v1/runs", "/api/v1/jobs"):
            async with aiohttp.request("GET", f"http://{made.registry.host}{path}") as answer:
                assert answer.status == 401
    assert '"own$build+app"' in audit.read_text()
    for text in (shown, str(run), made.registry.log.read_text(), audit.read_text()):
        assert SECRET not in text and "eyJ" not in text


async def test_what_is_not_built(open_house: House, repository: tuple[Project, str]) -> None:
    commit = repository[0].git("rev-parse", "HEAD")
    body = pushed(MAIN, commit)
    calls: list[tuple[bytes, dict[str, str], int]] = [
        (b'{"zen": "Design for failure.", "hook_id": 1}', {}, 200),
        (pushed("refs/heads/other", commit), {}, 200),
        (pushed("refs/tags/w1", commit), {}, 200),
        (pushed(MAIN, ZEROS), {}, 200),
        (b"{", {}, 400),
        (body, github(body + b" "), 403),
        (body, github(body, secret=SECRET[1:]), 403),
        (body, {"X-GitHub-Event": "push"}, 401),
        (gitlab_pushed(MAIN, commit), gitlab(secret="x"), 403),
        (gitlab_pushed(MAIN, ZEROS), gitlab(), 200),
        (b"{" + b" " * (25 << 20), {}, 413),
    ]
    for content, headers, expected in calls:
        ping = "ping" if b"zen" in content else "push"
        status, said = await open_house.call(content, headers or github(content, ping))
        assert status == expected and said["message"], (status, said, content[:100])
    assert (await open_house.call(body, github(body), "other"))[0] == 404
    assert (await open_house.call(body, github(body), "app/"))[0] == 404
    async with open_house.http.get("/hooks/app") as answer:
        assert answer.status == 405
    assert await open_house.runs() == [] and await open_house.tags() == []


async def test_a_delivery_that_comes_again_builds_once(open_house: House, repository: tuple[Project, str]) -> None:
    commit = repository[0].git("rev-parse", "HEAD")
    body = pushed(MAIN, commit)
    headers = github(body)
    answers = await asyncio.gather(*(open_house.call(body, headers) for _ in range(5)))
    (id,) = {said["run"] for _, said in answers}
    await open_house.ended(id)
    assert (await open_house.call(body, github(body)))[1] == {"run": id, "state": "done", "subject": f"{MAIN}@{commit}"}
    body = gitlab_pushed(MAIN, commit)
    first, again, other = [await open_house.call(body, gitlab(delivery=each)) for each in ("1", "1", "2")]
    assert first[1]["run"] == again[1]["run"] != other[1]["run"]
    runs = await open_house.runs()
    assert len(runs) == 3
    for run in runs:
        await open_house.ended(run["id"])


async def test_what_cannot_be_built(open_house: House, daemon: RunningEngine, repository: tuple[Project, str]) -> None:
    """The last line says why; the same delivery may try again."""
    made, _ = repository
    commit = made.commit("broken", Dockerfile="FROM box\nRUN echo before; exit 3\n")
    made.publish()
    body = pushed(MAIN, commit)
    _, said = await open_house.call(body, github(body))
    run = await open_house.ended(said["run"], "failed")
    assert "returned a non-zero code: 3" in run["note"] and "before\n" in run["log"], run
    seen = {said["run"]}
    for _ in range(2):
        _, again = await open_house.call(body, github(body))
        assert again["run"] not in seen
        seen.add(again["run"])
        await open_house.ended(again["run"], "failed")
    gone = await open_house.ended(await open_house.push(MAIN, "b" * 40), "failed")
    assert "b" * 40 in gone["note"], gone
    assert images(daemon) == {"box:latest"} and await open_house.tags() == []


async def test_a_delivery_that_is_late(open_house: House, repository: tuple[Project, str]) -> None:
    """What has failed and comes again takes nothing back of what was pushed since."""
    made, _ = repository
    sound = made.git("rev-parse", "HEAD")
    broken = pushed(MAIN, "c" * 40)
    _, first = await open_house.call(broken, github(broken))
    await open_house.ended(first["run"], "failed")
    newer = await open_house.push(MAIN, sound)
    status, again = await open_house.call(broken, github(broken))
    assert (status, again) == (202, first | {"state": "failed"})
    await open_house.ended(newer)
    assert len(await open_house.runs()) == 2 and await open_house.tags() == [sound[:7], "latest"]


async def test_several_platforms(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """One name for all, and nothing is left of what they were called meanwhile; or nothing, where one fails."""
    both = rule | {"platforms": ["linux/amd64", "linux/arm/v7"], "tags": ["latest", "{branch}"]}
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    auth = {"Authorization": aiohttp.encode_basic_auth("root", password("root"))}
    made, _ = repository
    sound = made.commit(Dockerfile="FROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\nCOPY text /\n")
    broken = made.commit(Dockerfile="FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n", amd64="x")
    made.publish()
    async with asyncio.timeout(150), house(tmp_path, both, auth) as home:
        failed = await home.ended(await home.push(MAIN, broken), "failed")
        assert "Building for linux/arm/v7" in failed["log"] and await home.tags() == [], failed
        await home.ended(await home.push(MAIN, sound))
        assert await home.tags() == ["latest", "main"]
        found = []
        async with home.http.get(f"/v2/{NAME}/manifests/latest") as answer:
            index = await answer.json(content_type=None)
        for each in index["manifests"]:
            async with home.http.get(f"/v2/{NAME}/manifests/{each['digest']}") as answer:
                config = (await answer.json(content_type=None))["config"]["digest"]
            async with home.http.get(f"/v2/{NAME}/blobs/{config}") as answer:
                image = await answer.json(content_type=None)
            found.append((each["platform"], image["architecture"], image["config"]["Labels"]["for"]))
    assert found == [
        ({"architecture": "amd64", "os": "linux"}, "amd64", "amd64"),
        ({"architecture": "arm", "os": "linux", "variant": "v7"}, "arm", "arm"),
    ]
    assert images(daemon) == {"box:latest"}
