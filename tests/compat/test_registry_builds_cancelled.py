"""Automated builds that somebody does not want any more: while they wait, go on, and where they have ended."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pier.linux import process
from pier.testing.engine import RunningEngine
from tests.compat.hostile import alive, seconds, settled
from tests.compat.registrybuilding import House, daemon, house, repository, rule_of
from tests.system.build.gitserver import Project
from tests.system.registry.waiting import eventually

PIER = str(Path(__file__).resolve().parents[2] / "bin" / "pier")
MAIN, OTHER = "refs/heads/main", "refs/heads/other"
LONG = seconds()

__all__ = ["daemon", "repository"]


@pytest.fixture
def rule(daemon: RunningEngine, repository: tuple[Project, str]) -> dict[str, Any]:
    return rule_of(daemon, repository[1], branch="*", tags=["{branch}"])


async def cancel(home: House, id: str) -> tuple[int, dict[str, Any]]:
    async with home.http.post(f"/api/v1/runs/{id}/cancel") as answer:
        return answer.status, await answer.json()


def begun(run: dict[str, Any]) -> bool:
    return "begun\n" in run["log"]


async def over() -> bool:
    """At the engine."""
    return not await asyncio.to_thread(alive, LONG)


def endless(made: Project) -> str:
    number = made.commit(Dockerfile=f"FROM box\nRUN echo begun; sleep {LONG}\n")
    made.publish()
    return number


async def test_over_the_api(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """Nothing of it goes on at the engine, the log stays, and the next build begins."""
    made, _ = repository
    sound, long = made.git("rev-parse", "HEAD"), endless(made)
    async with asyncio.timeout(150), house(tmp_path, rule) as home:
        going = await home.push(MAIN, long)
        await home.until(going, begun)
        waiting, after = await home.push(OTHER, sound), await home.push("refs/heads/after", sound)
        status, said = await cancel(home, waiting)
        assert (status, said["state"], said["note"]) == (200, "failed", "cancelled")
        assert (await cancel(home, going))[0] == 200
        await home.ended(after)
        await eventually(over)
        ended = await home.ended(going, "failed")
        assert ended["note"] == "cancelled" and begun(ended) and ended["ended"]
        await eventually(home.idle)
        assert await home.tags() == ["after"]
        status, said = await cancel(home, after)
        assert status == 409 and "it has ended" in str(said), said
        assert (await cancel(home, "nothing"))[0] == 404
    settled(daemon)


async def test_by_the_command(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """All of one name, whichever process does them."""
    made, _ = repository
    sound, long = made.git("rev-parse", "HEAD"), endless(made)
    argv = [sys.executable, PIER, "registry", "build", f"--config={tmp_path}/pier-registry.toml", "--cancel", "app"]
    environment = {**os.environ, "PIER_HOST": "unix:///nowhere.sock"}
    async with asyncio.timeout(150), house(tmp_path, rule) as home:
        going = await home.push(MAIN, long)
        await home.until(going, begun)
        waiting = await home.push(OTHER, sound)
        done = await process.run(argv, timeout=60, env=environment)
        assert done.returncode == 0 and set(done.stdout.decode().split()) == {going, waiting}, done
        for id in (going, waiting):
            assert (await home.ended(id, "failed"))["note"] == "cancelled"
        await eventually(over)
        assert await home.tags() == []
        done = await process.run(argv, timeout=60, env=environment)
        assert (done.returncode, done.stdout) == (0, b"")
    settled(daemon)
