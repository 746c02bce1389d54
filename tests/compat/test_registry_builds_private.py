"""Automated builds of repositories that only somebody with a token may read."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.gitprivate import TOKEN, USERNAME, Served, git_https
from tests.compat.registrybuilding import NAME, SECRET, daemon, house
from tests.system.build.gitserver import Project

MAIN = "refs/heads/main"

__all__ = ["daemon"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "served").mkdir()
    with git_https(tmp_path, tmp_path / "served") as made:
        yield made


@pytest.fixture
def project(served: Served) -> Project:
    made = Project(served.folder)
    made.commit("one", Dockerfile='FROM box\nCOPY text /\nRUN echo "it says $(cat /text)"\n', text="one\n")
    made.publish()
    return made


@pytest.fixture
def rule(tmp_path: Path, daemon: RunningEngine, served: Served) -> dict[str, Any]:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return {
        "name": "app",
        "repository": f"{served.url}/repo.git",
        "branch": "main",
        "image": NAME,
        "tags": ["latest", "{short}"],
        "secret": SECRET,
        "engine": daemon.host,
        "git_username": USERNAME,
        "git_password_file": str(tmp_path / "token"),
        "git_ca_file": str(served.authority),
    }


async def test_a_repository_behind_a_token(tmp_path: Path, rule: dict[str, Any], project: Project) -> None:
    """The commit that was pushed, though the branch has moved on; nothing of it is left here."""
    commit = project.git("rev-parse", "HEAD")
    project.commit("two", text="two\n")
    project.publish()
    async with asyncio.timeout(60), house(tmp_path, rule) as made:
        run = await made.ended(await made.push(MAIN, commit))
        assert f"Fetching {commit} of {rule['repository']}\n" in run["log"] and "it says one\n" in run["log"], run
        assert await made.tags() == [commit[:7], "latest"]
        assert list((made.registry.root / "builds").iterdir()) == []
