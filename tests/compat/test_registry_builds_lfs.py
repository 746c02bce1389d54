"""Automated builds of repositories with files of Git LFS: the real git-lfs, and a server of its batch API."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.oci.digest import hex_of, sha256
from pier.testing.engine import RunningEngine
from tests.compat.gitprivate import TOKEN, USERNAME, Served, git_https
from tests.compat.registrybuilding import daemon, house, rule_of
from tests.system.build.gitserver import Project

MAIN = "refs/heads/main"
LARGE = os.urandom(3 << 20)
DOCKERFILE = "FROM box\nCOPY . /all/\nRUN sha256sum /all/a/large /all/plain; head -n 1 /all/a/large | cut -c 1-40\n"

__all__ = ["daemon"]


def pointer(content: bytes) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid {sha256(content)}\nsize {len(content)}\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "served").mkdir()
    with git_https(tmp_path, tmp_path / "served") as made:
        made.large[hex_of(sha256(LARGE))] = LARGE
        yield made


@pytest.fixture
def project(served: Served) -> Project:
    made = Project(served.folder)
    attributes = {".gitattributes": "large filter=lfs diff=lfs merge=lfs -text\n"}
    elsewhere = {".lfsconfig": '[lfs]\n\turl = "file:///etc"\n'}
    made.commit("one", **{**attributes, **elsewhere}, Dockerfile=DOCKERFILE, plain="plain\n", a__large=pointer(LARGE))
    made.publish()
    return made


@pytest.fixture
def rule(tmp_path: Path, daemon: RunningEngine, served: Served) -> dict[str, Any]:
    return rule_of(
        daemon,
        f"{served.url}/repo.git",
        git_username=USERNAME,
        git_password=TOKEN,
        git_ca_file=str(served.authority),
        git_lfs=True,
    )


async def test_large_files_come_along(tmp_path: Path, rule: dict[str, Any], project: Project) -> None:
    """From the repository's server, whatever the repository says; a token is shown there, and left nowhere."""
    commit = project.git("rev-parse", "HEAD")
    async with asyncio.timeout(150), house(tmp_path, rule, log_level="debug") as made:
        run = await made.ended(await made.push(MAIN, commit))
        assert "Fetching 1 files of Git LFS\n" in run["log"], run
        assert f"{hex_of(sha256(LARGE))}  /all/a/large\n" in run["log"], run
        assert TOKEN not in str(run) + made.registry.log.read_text()
        assert list((made.registry.root / "builds").iterdir()) == []


async def test_pointers_that_stay_are_named(tmp_path: Path, rule: dict[str, Any], project: Project) -> None:
    commit = project.git("rev-parse", "HEAD")
    async with asyncio.timeout(150), house(tmp_path, rule | {"git_lfs": False}) as made:
        run = await made.ended(await made.push(MAIN, commit))
        assert "1 files of Git LFS come as pointers to what they are: git_lfs = true would bring them" in run["log"]
        assert "version https://git-lfs.github.com/spec" in run["log"], run


async def test_large_files_that_do_not_come(
    tmp_path: Path, rule: dict[str, Any], project: Project, served: Served
) -> None:
    """A server that has one not, one that it gives wrong, and one that is larger than allowed."""
    commit = project.git("rev-parse", "HEAD")
    oid = hex_of(sha256(LARGE))
    small = rule | {"name": "small", "git_size": 1_000_000}
    async with asyncio.timeout(150), house(tmp_path, rule, None, [small]) as made:
        failed = await made.ended(await made.push(MAIN, commit, "small"), "failed")
        assert "takes more than 1000000 bytes here: git_size allows no more" in failed["note"], failed
        served.large[oid] = LARGE[:-1] + bytes([LARGE[-1] ^ 1])
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert "the server of Git LFS does not give what the commit names" in failed["note"], failed
        served.large.clear()
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert "the server of Git LFS does not give what the commit names" in failed["note"], failed
        assert list((made.registry.root / "builds").iterdir()) == []


async def test_without_the_program(
    tmp_path: Path, rule: dict[str, Any], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only git is found: what is to be installed stands in the note."""
    commit = project.git("rev-parse", "HEAD")
    bin = tmp_path / "bin"
    bin.mkdir()
    for name in ("git", "sh"):
        (bin / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(bin))
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert 'install the package "git-lfs"' in failed["note"], failed
