"""Automated builds that are replaced, take too long, are cut off; engines that are away; several instances."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from pier.linux import process
from pier.metadata.registry.opening import open_records
from pier.registry.model import Run
from pier.testing.engine import RunningEngine
from pier.testing.postgres import postgres
from pier.testing.registryserver import PierRegistry
from tests.compat.hostile import alive, seconds, settled
from tests.compat.registrybuilding import daemon, github, house, pushed, repository, rule_of
from tests.system.build.gitserver import Project
from tests.system.registry.waiting import eventually

PIER = str(Path(__file__).resolve().parents[2] / "bin" / "pier")
MAIN = "refs/heads/main"
LONG = seconds()
ENDLESS = f"FROM box\nRUN echo begun; sleep {LONG}\n"
SOUND = "FROM box\nRUN echo sound\n"


__all__ = ["daemon", "repository"]


@pytest.fixture
def rule(daemon: RunningEngine, repository: tuple[Project, str]) -> dict[str, Any]:
    return rule_of(daemon, repository[1], branch="*", tags=["{branch}"])


def commit(made: Project, dockerfile: str) -> str:
    number = made.commit(Dockerfile=dockerfile)
    made.publish()
    return number


async def noted(registry: PierRegistry, id: str) -> Run:
    records = await open_records(f"sqlite://{registry.root}/registry.db")
    try:
        run = await records.run(id)
    finally:
        await records.stop()
    assert run is not None
    return run


def begun(run: dict[str, Any]) -> bool:
    return "begun\n" in run["log"]


async def test_what_waits_is_replaced_and_what_goes_on_forever_ends(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    made, _ = repository
    endless, sound = commit(made, ENDLESS), commit(made, SOUND)
    async with asyncio.timeout(150), house(tmp_path, rule | {"timeout": 15}) as home:
        first = await home.push(MAIN, endless)
        await home.until(first, begun)
        second = await home.push(MAIN, endless)
        elsewhere = await home.push("refs/heads/a/b", sound)
        third = await home.push(MAIN, sound)
        replaced = await home.run(second)
        assert (replaced["state"], replaced["note"]) == ("done", "nothing built: there is a newer push")
        assert replaced["started"] == 0
        ended = await home.ended(first, "failed")
        assert ended["note"] == "it took longer than 15 s" and begun(ended)
        await home.ended(elsewhere)
        await home.ended(third)
        assert await home.tags() == ["a-b", "main"]
        await eventually(home.idle)
    settled(daemon)
    assert not alive(LONG)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_registry_ends_meanwhile(
    number: signal.Signals, tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """The engine builds for nobody then; and the next registry builds it again, unless there is a newer push."""
    made, _ = repository
    endless, sound = commit(made, ENDLESS), commit(made, SOUND)
    async with asyncio.timeout(150), house(tmp_path, rule, job_lease=5) as home:
        first = await home.push(MAIN, endless)
        await home.until(first, begun)
        home.registry.child.send_signal(number)
        await home.registry.child.wait()
    settled(daemon)
    assert not alive(LONG)
    if number is signal.SIGTERM:  # asked of its records: the next registry begins again before it can be asked
        run = await noted(home.registry, first)
        assert (run.state, run.note) == ("queued", "the registry was stopped; it is built again")
    async with asyncio.timeout(150), house(tmp_path, rule, job_lease=5) as home:
        await home.until(first, lambda run: run["started"] > 0 and run["state"] == "running" and run["log"] != "")
        third = await home.push("refs/heads/other", sound)
        newer = await home.push(MAIN, sound)
        home.registry.child.send_signal(signal.SIGTERM)
        await home.registry.child.wait()
    async with asyncio.timeout(150), house(tmp_path, rule, job_lease=5) as home:
        await home.ended(newer)
        await home.ended(third)
        assert (await home.ended(first))["note"] == "nothing built: there is a newer push"


async def test_an_engine_that_is_away(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """It is asked again; and a build that its death cuts off is built again."""
    made, _ = repository
    daemon.stop()
    try:
        async with asyncio.timeout(150), house(tmp_path, rule) as home:
            first = await home.push(MAIN, commit(made, SOUND))
            waiting = await home.until(first, lambda run: run["note"])
            assert waiting["state"] == "queued" and "the engine does not answer" in waiting["note"]
            await asyncio.to_thread(daemon.start)
            await home.ended(first)
            second = await home.push(MAIN, commit(made, ENDLESS))
            await home.until(second, begun)
            daemon.kill()
            await home.until(second, lambda run: "the engine does not answer" in run["note"])
            await asyncio.to_thread(daemon.start)
            await home.until(second, lambda run: run["state"] == "running")
            (job,) = await home.jobs()
            assert job["id"] == second and job["attempts"] > 1
    finally:
        if not daemon.socket.exists():
            daemon.start()
    settled(daemon)


async def test_two_instances_build_one_at_a_time(
    tmp_path: Path, rule: dict[str, Any], repository: tuple[Project, str]
) -> None:
    """Of 24 deliveries at both, each twice, those of one branch that are older are left out; never two at once."""
    made, _ = repository
    numbers = [commit(made, f"FROM box\nRUN echo {each}\n") for each in range(12)]
    with postgres() as database:
        async with (
            asyncio.timeout(150),
            house(tmp_path / "one", rule, database=database.url, storage=f"file://{tmp_path}/blobs") as one,
            house(tmp_path / "two", rule, database=database.url, storage=f"file://{tmp_path}/blobs") as two,
        ):
            ids = []
            for place, number in enumerate(numbers):
                body = pushed(f"refs/heads/b{place % 3}", number)
                answers = await asyncio.gather(*(each.call(body, github(body)) for each in (one, two)))
                assert answers[0][0] == answers[1][0] == 202, answers
                (id,) = {said["run"] for _, said in answers}
                ids.append(id)
            runs = [await one.ended(id) for id in ids]
            assert await two.tags() == ["b0", "b1", "b2"]
            for run, last in zip(runs[-3:], numbers[-3:], strict=True):
                assert last in run["subject"] and run["note"].startswith("pushed")
    logs = [each.registry.log.read_text() for each in (one, two)]
    lines = [line for text in logs for line in text.splitlines() if 'msg="a build' in line]
    lines.sort(key=lambda line: line.split(" ")[0])  # their times; what one instance says at once stays in order
    kinds = ["begins" in line for line in lines]
    assert kinds == [True, False] * (len(kinds) // 2) and len(kinds) >= 6, lines


async def test_by_hand(tmp_path: Path, rule: dict[str, Any], repository: tuple[Project, str]) -> None:
    made, _ = repository
    number = commit(made, SOUND)
    by_commit = {"name": "by", "branch": "main", "tags": ["{short}"]}
    async with asyncio.timeout(150), house(tmp_path, rule | {"branch": "main"}, also=[rule | by_commit]) as home:
        calls: list[tuple[str, dict[str, Any] | None, int]] = [
            ("app", None, 202),
            ("app", {"ref": MAIN, "commit": number}, 202),
            ("app", {"ref": "refs/heads/other"}, 400),
            ("app", {"ref": "main"}, 400),
            ("app", {"refs": "main"}, 400),
            ("by", None, 400),
            ("by", {"commit": number}, 202),
            ("none", None, 404),
        ]
        for name, body, expected in calls:
            async with home.http.post(f"/api/v1/builds/{name}/run", json=body) as answer:
                assert answer.status == expected, (name, body, await answer.text())
                said = await answer.json()
        for run in await home.runs():
            await home.ended(run["id"])
        assert await home.tags() == sorted(["main", number[:7]]), said
        async with home.http.get("/api/v1/builds") as answer:
            assert [each["last"]["state"] for each in await answer.json()] == ["done", "done"]


async def test_by_the_command(tmp_path: Path, rule: dict[str, Any], repository: tuple[Project, str]) -> None:
    made, _ = repository
    number = commit(made, SOUND)

    async def pier(*words: str, code: int = 0) -> str:
        argv = [sys.executable, PIER, "registry", "build", f"--config={tmp_path}/pier-registry.toml", *words]
        done = await process.run(argv, timeout=60, env={**os.environ, "PIER_HOST": "unix:///nowhere.sock"})
        assert done.returncode == code, done
        return (done.stdout + done.stderr).decode()

    also = rule | {"name": "broken", "target": "none"}
    async with asyncio.timeout(150), house(tmp_path, rule | {"branch": "main"}, also=[also]) as home:
        assert "app" in (await pier()).splitlines()[1] and "never" in await pier()
        said = await pier("app")
        assert "Step 1/2 : FROM box" in said and "sound" in said and "pushed 127.0.0.1:" in said, said
        assert await home.tags() == ["main"]
        failed = await pier("--ref", MAIN, "--commit", number, "broken", code=1)
        assert 'target stage "none" could not be found' in failed, failed
        assert "say a ref" in await pier("broken", code=125)
        assert "no such build in the settings: other" in await pier("other", code=125)
        states = [line.split("   ")[-2].strip() for line in (await pier()).splitlines()[1:]]
        assert states == ["done", "failed"], states
