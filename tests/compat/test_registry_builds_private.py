"""Automated builds of repositories that only somebody with a token may read."""

import asyncio
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.linux import process
from pier.testing.engine import RunningEngine
from pier.testing.registryserver import PierRegistry
from tests.compat.docker_cli import eventually
from tests.compat.gitprivate import TOKEN, USERNAME, Served, git_https
from tests.compat.hostile import alive, arguments, listing
from tests.compat.pier_cli import Pier
from tests.compat.registrybuilding import NAME, daemon, house, rule_of
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
    return rule_of(
        daemon,
        f"{served.url}/repo.git",
        tags=["latest", "{short}"],
        git_username=USERNAME,
        git_password_file=str(tmp_path / "token"),
        git_ca_file=str(served.authority),
    )


async def test_a_repository_behind_a_token(tmp_path: Path, rule: dict[str, Any], project: Project) -> None:
    """The commit that was pushed, though the branch has moved on; nothing of it is left here."""
    commit = project.git("rev-parse", "HEAD")
    project.commit("two", text="two\n")
    project.publish()
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        run = await made.ended(await made.push(MAIN, commit))
        assert f"Fetching {commit} of {rule['repository']}\n" in run["log"] and "it says one\n" in run["log"], run
        assert await made.tags() == [commit[:7], "latest"]
        assert rooms(made.registry) == []


def rooms(registry: PierRegistry) -> list[str]:
    """What is left of builds."""
    return [each.name for each in (registry.root / "builds").iterdir()]


async def true(holds: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, holds, "what the test waits for")


async def test_the_token_is_nowhere(tmp_path: Path, rule: dict[str, Any], project: Project, served: Served) -> None:
    """Not in a process's arguments, nor in what the registry keeps, logs and shows: neither a right one nor a wrong."""
    commit = project.git("rev-parse", "HEAD")
    async with asyncio.timeout(150), house(tmp_path, rule, log_level="debug") as made:
        served.hold = threading.Event()
        with arguments() as seen:
            id = await made.push(MAIN, commit)
            await true(
                lambda: any(rule["repository"].encode() in each and b"remote-https" in each for each in set(seen))
            )
            served.hold.set()
            run = await made.ended(id)
            served.token = "another"
            failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert TOKEN.encode() not in b"".join(seen)
        shown = [str(run), str(failed), made.registry.log.read_text()]
        for path in ("/api/v1/builds", "/api/v1/runs", "/api/v1/jobs"):
            async with made.http.get(path) as answer:
                shown.append(await answer.text())
        assert TOKEN not in "".join(shown)
        kept = [path.read_bytes() for path in made.registry.root.rglob("*") if path.is_file()]
        assert kept and not any(TOKEN.encode() in each for each in kept)
    assert "" in served.seen and any(each.startswith("Basic ") for each in served.seen)


async def test_what_cannot_be_fetched(tmp_path: Path, rule: dict[str, Any], project: Project, served: Served) -> None:
    """The run says what to do; nobody tries again."""
    big = project.commit(big=random.Random(1).randbytes(1 << 20).hex())
    commit = project.git("rev-parse", "HEAD~1")
    project.publish()
    token = tmp_path / "token"
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"repository": f"{served.url}/none.git"}, commit, "there is no such repository, or not for these credentials"),
        ({"git_username": "me"}, commit, "the server refuses git_username with git_password"),
        ({"git_ca_file": "/etc/ssl/certs/ca-certificates.crt"}, commit, "name its authority in git_ca_file"),
        ({}, "b" * 40, f"/repo.git has no commit {'b' * 40} in {MAIN}"),
        ({"folder": "none"}, commit, "folder none of the repository: no such file or directory"),
        ({"folder": "text"}, commit, "folder text of the repository: not a directory"),
        ({"dockerfile": "None"}, big, "None"),
        ({"platforms": ["linux/mips64le"], "git_size": 100_000_000}, big, ""),
        ({"git_size": 1_000_000}, big, "takes more than 1000000 bytes here: git_size allows no more"),
        ({"git_size": 500}, commit, "takes more than 500 bytes here: git_size allows no more"),
    ]
    also = [rule | changes | {"name": f"app{number}"} for number, (changes, _, _) in enumerate(cases)]
    async with asyncio.timeout(300), house(tmp_path, rule, also=also) as made:
        ids = [await made.push(MAIN, pushed, f"app{number}") for number, (_, pushed, _) in enumerate(cases)]
        for id, (_, _, said) in zip(ids, cases, strict=True):
            failed = await made.ended(id, "failed")
            assert said in failed["note"], failed
        assert rooms(made.registry) == []
        token.unlink()
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert failed["note"] == f"cannot read the git_password_file {token}: No such file or directory"
        await asyncio.to_thread(token.write_text, f"{TOKEN}\n")
        await made.ended(await made.push(MAIN, commit))


async def test_a_branch_as_it_is(tmp_path: Path, rule: dict[str, Any], project: Project) -> None:
    """Begun by hand, without a commit; and a tag with a message."""
    project.git("tag", "-a", "-m", "one", "v1")
    project.publish()
    by_name = rule | {"tags": ["{branch}", "{tag}"], "git_tags": ["v*"]}
    async with asyncio.timeout(150), house(tmp_path, by_name) as made:
        for ref in (MAIN, "refs/tags/v1"):
            async with made.http.post("/api/v1/builds/app/run", json={"ref": ref}) as answer:
                assert answer.status == 202
                await made.ended((await answer.json())["run"])
        assert await made.tags() == ["main", "v1"]
        tag = project.git("rev-parse", "v1")
        assert tag != project.git("rev-parse", "v1^{commit}")
        await made.ended(await made.push("refs/tags/v1", tag))
        async with made.http.post("/api/v1/builds/app/run", json={"ref": "refs/tags/v2"}) as answer:
            failed = await made.ended((await answer.json())["run"], "failed")
        assert "couldn't find remote ref refs/tags/v2" in failed["note"], failed


async def test_a_repository_of_sha256(tmp_path: Path, rule: dict[str, Any], served: Served) -> None:
    """A commit by its number, and a branch as it is: then only its server knows what its hashes are."""
    made_of = Project(served.folder, "wide", format="sha256")
    commit = made_of.commit("one", Dockerfile="FROM box\nCOPY text /\n", text="wide\n")
    made_of.publish()
    wide = rule | {"repository": f"{served.url}/wide.git", "tags": ["{branch}", "{sha}"]}
    by_name = rule | {"name": "by-name", "repository": f"{served.url}/wide.git", "tags": ["latest"]}
    async with asyncio.timeout(150), house(tmp_path, wide, also=[by_name]) as made:
        await made.ended(await made.push(MAIN, commit))
        async with made.http.post("/api/v1/builds/by-name/run") as answer:
            await made.ended((await answer.json())["run"])
        assert await made.tags() == [commit, "latest", "main"]


async def test_a_fetch_that_ends(tmp_path: Path, rule: dict[str, Any], project: Project, served: Served) -> None:
    """By its time, with the registry, or with a registry that is killed: no git and no folder outlasts it."""
    commit = project.git("rev-parse", "HEAD")
    url = rule["repository"]
    served.hold = threading.Event()
    async with asyncio.timeout(150), house(tmp_path, rule | {"timeout": 10}) as made:
        id = await made.push(MAIN, commit)
        await true(served.asked.is_set)
        assert alive(url) and len(rooms(made.registry)) == 2
        failed = await made.ended(id, "failed")
        assert failed["note"] == "it took longer than 10 s" and not alive(url) and rooms(made.registry) == []
    served.asked.clear()
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        await made.push(MAIN, commit)
        await true(served.asked.is_set)
    assert not alive(url) and rooms(made.registry) == []
    served.asked.clear()
    async with asyncio.timeout(150), house(tmp_path, rule, job_lease=2) as made:
        await true(served.asked.is_set)
        assert alive(url)
        made.registry.child.send_signal(9)
        await true(lambda: not alive(url))
        assert len(rooms(made.registry)) == 2
    served.hold.set()
    async with asyncio.timeout(150), house(tmp_path, rule, job_lease=2) as made:
        (run, *_) = await made.runs()
        await made.ended(run["id"])
        assert rooms(made.registry) == []


def with_submodule(project: Project, other: Project, place: str) -> str:
    """A commit of what is there and of the other's; published."""
    project.git("add", "--all")
    project.git("update-index", "--add", "--cacheinfo", f"160000,{other.git('rev-parse', 'HEAD')},{place}")
    project.git("commit", "--quiet", "--message", "with a submodule")
    project.publish()
    return project.git("rev-parse", "HEAD")


async def test_what_the_engine_gets(
    tmp_path: Path, rule: dict[str, Any], project: Project, served: Served, daemon: RunningEngine
) -> None:
    """A folder, by a link of the repository's; links as links, programs, submodules, what is left out, and no .git."""
    lib = Project(served.folder, "lib")
    lib.commit("lib", code="lib\n")
    lib.publish()
    submodule = '[submodule "lib"]\n\tpath = server/lib\n\turl = ../lib.git\n'
    project.commit("tree", server__Dockerfile="FROM box\nCOPY . /all/\n", server__a__b="b", server__gone="x")
    place = project.folder / "server"
    (place / "out").symlink_to("/etc/passwd")
    (place / "up").symlink_to("../../../..")
    (place / "run").write_text("#!/bin/sh\n")
    (place / "run").chmod(0o755)
    (place / "\udcff").write_text("x")
    (place / ".dockerignore").write_text("gone\n")
    (project.folder / "link").symlink_to("/server")
    (project.folder / ".gitmodules").write_text(submodule)
    commit = with_submodule(project, lib, "server/lib")
    async with asyncio.timeout(150), house(tmp_path, rule | {"folder": "link"}) as made:
        await made.ended(await made.push(MAIN, commit))
        reference = f"{made.registry.host}/{NAME}:latest"
        assert daemon.request("POST", f"/images/create?fromImage={reference}")[0] == 200
        pier = Pier(daemon.host, tmp_path / "config", "pier.test=builds")
        found = await asyncio.to_thread(listing, pier, reference)
        assert daemon.request("DELETE", f"/images/{reference}")[0] == 200
    below = {name: info for name, info in found.items() if name.startswith("all/")}
    names = {".dockerignore", "Dockerfile", "a", "a/b", "lib", "lib/code", "out", "run", "up", "\udcff"}
    assert {name.removeprefix("all/").rstrip("/") for name in below} - {""} == names
    assert (below["all/out"].linkname, below["all/up"].linkname) == ("/etc/passwd", "../../../..")
    assert (below["all/run"].mode, below["all/a/b"].mode) == (0o755, 0o644)
    assert not any(info.uid or info.gid for info in below.values())


@pytest.mark.parametrize("way", ["submodule", "redirect"])
async def test_others_are_not_shown_the_token(
    tmp_path: Path, rule: dict[str, Any], project: Project, served: Served, way: str
) -> None:
    """A submodule of another server, or where the right one sends us on to: it would like to have it."""
    with git_https(tmp_path / "served", served.folder) as other:
        other.authority.replace(tmp_path / "other")
        (tmp_path / "both").write_bytes(served.authority.read_bytes() + (tmp_path / "other").read_bytes())
        commit = project.git("rev-parse", "HEAD")
        if way == "submodule":
            (project.folder / ".gitmodules").write_text(
                f'[submodule "lib"]\n\tpath = lib\n\turl = {other.url}/repo.git\n'
            )
            commit = with_submodule(project, project, "lib")
        else:
            served.elsewhere = other.url
        trusting = rule | {"git_ca_file": str(tmp_path / "both")}
        async with asyncio.timeout(150), house(tmp_path, trusting) as made:
            failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert "the server refuses git_username with git_password" in failed["note"], failed
        assert other.seen and not any(other.seen)


async def test_servers_that_give_no_single_commit(
    tmp_path: Path, rule: dict[str, Any], project: Project, served: Served
) -> None:
    """But what a ref is at: all of the branch is fetched then; a commit that is not in it is not built."""
    served.old = True
    commit = project.git("rev-parse", "HEAD")
    project.git("checkout", "--quiet", "-b", "other")
    elsewhere = project.commit("other", text="other\n")
    project.git("checkout", "--quiet", "main")
    project.commit("two", text="two\n")
    project.commit("three", text="three\n")
    project.publish()
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        await made.ended(await made.push(MAIN, commit))
        for absent in (project.commit("not published"), "b" * 40):
            failed = await made.ended(await made.push(MAIN, absent), "failed")
            assert f"has no commit {absent} in {MAIN}" in failed["note"], failed
        await made.ended(await made.push(MAIN, elsewhere))


@pytest.mark.parametrize("url", ["ext::sh -c touch% {}", "file://{}", "{}", "-u{}", "https://127.0.0.1:1/x.git"])
async def test_what_a_repository_may_not_bring(
    tmp_path: Path, rule: dict[str, Any], project: Project, url: str
) -> None:
    """Programs of its own, repositories of this host: the submodule fails, and so does the build."""
    place = tmp_path / "touched"
    shutil.copytree(project.place, tmp_path / "local.git")
    target = url.format(place if "ext" in url else tmp_path / "local.git")
    more = f"\tupdate = !touch {place}\n"
    (project.folder / ".gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = {target}\n{more}')
    commit = with_submodule(project, project, "lib")
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        id = await made.push(MAIN, commit)
        note = await made.noted(id)
        assert "pushed" not in note and not place.exists() and await made.tags() == [], note
        assert rooms(made.registry) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """The registry's root: a disk of 28 MB, of which the database has 12."""
    root = tmp_path / "pier-registry"
    root.mkdir()
    done = process.run_sync(["mount", "-t", "tmpfs", "-o", "size=28m", "tmpfs", str(root)])
    assert done.returncode == 0, done.stderr
    try:
        yield root
    finally:
        process.run_sync(["umount", "-l", str(root)])


async def test_a_disk_without_room(tmp_path: Path, rule: dict[str, Any], project: Project, small: Path) -> None:
    """The database keeps what it needs; it is built when there is room again."""
    big = project.commit(big=random.Random(1).randbytes(8 << 20).hex())
    project.publish()
    async with asyncio.timeout(90), house(tmp_path, rule) as made:
        id = await made.push(MAIN, big)
        run = await made.until(id, lambda run: run["note"])
        assert (
            run["note"] == "there is no room for the repository on the registry's disk" and rooms(made.registry) == []
        )
        assert (await process.run(["mount", "-o", "remount,size=200m", str(small)])).returncode == 0
        await made.ended(id)


async def test_several_platforms_of_one_fetch(tmp_path: Path, rule: dict[str, Any], project: Project) -> None:
    """And a build that takes too long: the files go with it."""
    sound = project.commit(Dockerfile="FROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\nCOPY text /\n")
    endless = project.commit(Dockerfile="FROM box\nCOPY text /\nRUN echo begun; sleep 100000\n")
    project.publish()
    both = rule | {"platforms": ["linux/amd64", "linux/arm64"], "timeout": 25}
    async with asyncio.timeout(90), house(tmp_path, both) as made:
        run = await made.ended(await made.push(MAIN, sound))
        assert run["log"].count("Fetching ") == 1 and "Building for linux/arm64" in run["log"], run
        async with made.http.get(f"/v2/{NAME}/manifests/latest") as answer:
            index = await answer.json(content_type=None)
        assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    async with asyncio.timeout(90), house(tmp_path, rule | {"timeout": 10}) as made:
        id = await made.push(MAIN, endless)
        await made.until(id, lambda run: "begun" in run["log"])
        assert len(rooms(made.registry)) == 2
        failed = await made.ended(id, "failed")
        assert failed["note"] == "it took longer than 10 s" and rooms(made.registry) == []
