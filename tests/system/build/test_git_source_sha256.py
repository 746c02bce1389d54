"""ADD of a Git repository whose hashes are SHA-256: no git speaks both with a repository of one."""

from pathlib import Path

import pytest

from pier.testing.exports import Machine
from tests.system.build.gitserver import Project, git_daemon, web_server
from tests.system.build.test_git_source import left, machine, served, source, text_of

__all__ = ["machine", "served"]


@pytest.fixture
def project(served: Path) -> Project:
    made = Project(served, format="sha256")
    made.commit("one", file="one")
    made.git("tag", "-a", "-m", "one", "v1")
    made.commit("two", file="two")
    made.publish()
    return made


@pytest.mark.parametrize(("ref", "text"), [("", "two"), ("v1", "one"), ("HEAD~1", "one"), ("HEAD~1:12", "one")])
@pytest.mark.parametrize("way", ["git", "http"])
async def test_a_ref(machine: Machine, served: Path, project: Project, way: str, ref: str, text: str) -> None:
    """By its name, by the number of a commit, by its beginning; and again from what is remembered."""
    if ref.startswith("HEAD~1"):
        number = project.git("rev-parse", "HEAD~1")
        assert len(number) == 64
        ref = number[: int(ref.partition(":")[2] or 64)]
    with git_daemon(served) if way == "git" else web_server(served) as server:
        url = f"{server if isinstance(server, str) else server[0]}/repo.git"
        assert await text_of(machine, url, ref=ref) == text
        project.commit("three", file="three")
        project.publish()
        assert await text_of(machine, url) == "three"
    assert left(machine) == []


async def test_a_repository_that_changes_its_hashes(machine: Machine, served: Path, project: Project) -> None:
    """Another has its place now, and an engine remembers the first."""
    with git_daemon(served) as server:
        assert await text_of(machine, f"{server}/repo.git") == "two"
        project.place.rename(served / "old")
        other = Project(served, "other")
        other.commit("other", file="sha1")
        other.publish()
        other.place.rename(project.place)
        assert await text_of(machine, f"{server}/repo.git") == "sha1"


@pytest.mark.parametrize("kept", [False, True])
async def test_submodules(machine: Machine, served: Path, project: Project, kept: bool) -> None:
    inner = Project(served, "inner", format="sha256")
    inner.commit("inner", which="inner")
    inner.publish()
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.place), "module")
    project.git("config", "-f", ".gitmodules", "submodule.module.url", "../inner.git")
    project.commit("outer")
    project.publish()
    build = machine.build()
    with git_daemon(served) as server:
        async with build.lasting:
            folder = (await source(build, f"{server}/repo.git", keep_git_dir=kept)).folder.path
            assert (folder / "module" / "which").read_text() == "inner"
            assert (folder / ".git").exists() is kept
    assert left(machine) == []
