"""ADD of a Git repository: what is checked out, what is kept, and what is said when it cannot be had."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.graph import GitSource
from pier.build.ops import git
from pier.build.progress import LogPiece
from pier.errors import DataCorrupted, DeadlineExceeded, InvalidArgument, NotFound, PierError, Unauthorized
from pier.testing.exports import Client, Machine
from tests.system.build.fetching import vertex_of
from tests.system.build.gitserver import Project, git_daemon, old_server, web_server

TIME = 981158400


class Keeper(Client):
    """A client that has secrets."""

    def __init__(self, **secrets: str) -> None:
        super().__init__()
        self.secrets = secrets

    async def secret(self, id: str) -> bytes | None:
        return self.secrets[id].encode() if id in self.secrets else None


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "machine") as made:
        yield made


@pytest.fixture
def served(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


@pytest.fixture
def project(served: Path) -> Project:
    """Three commits: tag ``v1`` (and ``v2``, annotated) on the first, the branches ``main`` and ``topic``."""
    made = Project(served)
    (made.folder / "out").symlink_to("/etc")
    (made.folder / "climbing").symlink_to("../../..")
    made.commit("one", file="one", sub__file="below", sub__deep__file="deep")
    made.git("tag", "v1")
    made.git("tag", "-a", "-m", "two", "v2")
    made.git("checkout", "--quiet", "-b", "topic")
    made.commit("topic", file="topic")
    made.git("checkout", "--quiet", "main")
    os.chmod(made.folder / "file", 0o755)
    made.commit("two", file="two")
    made.publish()
    return made


@pytest.fixture(params=["git", "http"])
def remote(request: pytest.FixtureRequest, served: Path, project: Project) -> Iterator[str]:
    if request.param == "git":
        with git_daemon(served) as url:
            yield f"{url}/repo.git"
    else:
        with web_server(served) as (url, _):
            yield f"{url}/repo.git"


@pytest.fixture
def by_daemon(served: Path, project: Project) -> Iterator[str]:
    with git_daemon(served) as url:
        yield url


async def source(build: Build, url: str, *, silence: float | None = None, **fields: Any) -> Files:
    return await git.execute(build, vertex_of(GitSource(url=url, **fields)), (), silence=silence)


async def text_of(machine: Machine, url: str, name: str = "file", **fields: Any) -> str:
    build = machine.build()
    async with build.lasting:
        files = await source(build, url, **fields)
        return (files.folder.path / name).read_text()


def left(machine: Machine) -> list[str]:
    """What lies about of what was being made, and the processes that make it."""
    root = machine.root / "build"
    drafts = [str(path) for path in root.rglob(".new-*")] + [str(path) for path in root.rglob("*.lock")]
    mark = f"PIER_BUILD_GIT={root}:".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                drafts.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return drafts


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("", "two"),
        ("HEAD", "two"),
        ("main", "two"),
        ("refs/heads/main", "two"),
        ("heads/main", "two"),
        ("topic", "topic"),
        ("v1", "one"),
        ("v2", "one"),
        ("refs/tags/v2", "one"),
    ],
)
async def test_a_ref(machine: Machine, remote: str, ref: str, text: str) -> None:
    assert await text_of(machine, remote, ref=ref) == text
    assert left(machine) == []


@pytest.mark.parametrize("length", [40, 12])
@pytest.mark.parametrize("name", ["v1", "main", "middle"])
async def test_a_commit(machine: Machine, project: Project, remote: str, name: str, length: int) -> None:
    """Also one that no ref names."""
    if name == "middle":
        project.commit("four", file="four")
        project.publish()
        commit = project.git("rev-parse", "HEAD~1")
    else:
        commit = project.git("rev-parse", name)
    expected = project.git("show", f"{commit}:file")
    assert await text_of(machine, remote, ref=commit[:length]) == expected
    assert left(machine) == []


async def test_what_is_there(machine: Machine, project: Project, remote: str) -> None:
    build = machine.build()
    async with build.lasting:
        files = await source(build, remote)
        folder = files.folder.path
        assert sorted(os.listdir(folder)) == ["climbing", "file", "out", "sub"]
        assert [oct((folder / name).stat().st_mode) for name in ("", "file", "sub", "sub/file")] == [
            "0o40755",
            "0o100755",
            "0o40755",
            "0o100644",
        ]
        assert {int(path.lstat().st_mtime) for path in (folder, *folder.rglob("*"))} == {TIME}
        assert os.readlink(folder / "out") == "/etc"
        records = {record.description.split("#")[0]: record for record in machine.cache.list()}
        assert set(records) == {f"git snapshot for {remote}", f"shared git repo for {remote}"}
        assert all(record.size > 0 and record.kind == "source.git.checkout" for record in records.values())
        assert records[f"git snapshot for {remote}"].key in build.deps.in_use
    assert not any(record.key in build.deps.in_use for record in records.values())


async def test_a_folder(machine: Machine, by_daemon: str) -> None:
    url = f"{by_daemon}/repo.git"
    assert await text_of(machine, url, folder="sub") == "below"
    assert await text_of(machine, url, folder="sub/deep") == "deep"
    for folder, words in (
        ("none", "subdir none: no such"),
        ("file", "subdir file: not a directory"),
        ("out", "subdir out: no such"),
    ):
        with pytest.raises(PierError, match=words):
            await text_of(machine, url, folder=folder)
    assert await text_of(machine, url, folder="climbing") == "two"


async def test_the_second_time(machine: Machine, project: Project, by_daemon: str) -> None:
    url = f"{by_daemon}/repo.git"
    await text_of(machine, url)
    folder = next((machine.root / "build" / "checkouts").iterdir())
    before = (folder / "file").stat().st_ino
    await text_of(machine, url, ref="main")
    assert (folder / "file").stat().st_ino == before
    project.commit("three", file="three")
    project.publish()
    assert await text_of(machine, url) == "three"
    assert len(list((machine.root / "build" / "checkouts").iterdir())) == 2


async def test_a_known_commit_is_not_asked_for(machine: Machine, served: Path, project: Project) -> None:
    with git_daemon(served) as url:
        commit = project.git("rev-parse", "main")
        assert await text_of(machine, f"{url}/repo.git", ref=commit) == "two"
    assert await text_of(machine, f"{url}/repo.git", ref=commit) == "two"


async def test_names_for_what_is_remembered(machine: Machine, by_daemon: str) -> None:
    build = machine.build()
    async with build.lasting:
        url = f"{by_daemon}/repo.git"
        fields: tuple[dict[str, Any], ...] = (
            {},
            {"ref": "main"},
            {"folder": "sub"},
            {"ref": "v1"},
            {"keep_git_dir": True},
        )
        named = [(await source(build, url, **each)).immutable for each in fields]
    assert named[0] == named[1]
    assert len(set(named)) == 4


@pytest.mark.parametrize(("ref", "described"), [("v2", "v2"), ("main", "")])
async def test_a_git_folder_that_is_kept(machine: Machine, by_daemon: str, ref: str, described: str) -> None:
    build = machine.build()
    async with build.lasting:
        url = f"{by_daemon}/repo.git"
        folder = (await source(build, url, ref=ref, keep_git_dir=True)).folder.path

        def told(*words: str) -> str:
            done = subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=folder, capture_output=True, text=True)
            return done.stdout.strip()

        assert told("remote", "get-url", "origin") == url
        assert told("status", "--porcelain") == ""
        assert told("describe") == described
        assert not (folder / ".git" / "FETCH_HEAD").exists()


@pytest.mark.parametrize("kept", [False, True])
async def test_submodules(machine: Machine, served: Path, project: Project, remote: str, kept: bool) -> None:
    """By a URL that is relative, and one of theirs."""
    inner, leaf = Project(served, "inner"), Project(served, "leaf")
    for module, name, below in ((leaf, "leaf", None), (inner, "inner", leaf), (project, "outer", inner)):
        if below is not None:
            module.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(below.place), "module")
            module.git("config", "-f", ".gitmodules", "submodule.module.url", f"../{below.place.name}")
        module.commit(name, which=name)
        module.publish()
    build = machine.build()
    async with build.lasting:
        folder = (await source(build, remote, keep_git_dir=kept)).folder.path
        names = ("which", "module/which", "module/module/which")
        assert [(folder / name).read_text() for name in names] == ["outer", "inner", "leaf"]
        assert bool(list(folder.rglob(".git"))) is kept
    assert left(machine) == []


async def test_a_submodule_of_a_server_that_gives_no_single_commit(
    machine: Machine, served: Path, project: Project
) -> None:
    """All of it is fetched, as git does without ``--depth``."""
    inner = Project(served, "inner")
    inner.commit("one", which="inner")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "module")
    project.git("config", "-f", ".gitmodules", "submodule.module.url", "../inner.git")
    project.commit("outer", which="outer")
    project.publish()
    inner.commit("two", which="later")
    inner.publish()
    with old_server(served) as url:
        assert await text_of(machine, f"{url}/repo.git", "module/which") == "inner"
    assert left(machine) == []


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc", "ext::sh -c touch% /tmp/harm", "--upload-pack=x"])
async def test_a_submodule_that_means_harm(machine: Machine, project: Project, by_daemon: str, url: str) -> None:
    inner = Project(project.place.parent, "inner")
    inner.commit("x", file="x")
    inner.publish()
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.place), "module")
    project.git("config", "-f", ".gitmodules", "submodule.module.url", url)
    project.commit("harm")
    project.publish()
    with pytest.raises(PierError, match="failed to fetch remote"):
        await text_of(machine, f"{by_daemon}/repo.git")
    assert left(machine) == []


@pytest.mark.parametrize(
    ("path", "fields", "kind", "words"),
    [
        (
            "repo.git",
            {"ref": "nope"},
            NotFound,
            "contain ref nope: couldn't find remote ref nope$",
        ),
        ("repo.git", {"ref": "0" * 40}, NotFound, "^repository does not contain ref 0000"),
        ("repo.git", {"ref": "abcdef012"}, NotFound, "^repository does not contain ref abcdef012"),
        ("repo.git", {"ref": "--upload-pack=x"}, InvalidArgument, "invalid git ref"),
        ("repo.git", {"ref": "main~1"}, InvalidArgument, "invalid git ref"),
        ("repo.git", {"checksum": "abc"}, DataCorrupted, "^expected checksum to match abc, got [0-9a-f]{40}$"),
        ("none.git", {}, PierError, "failed to fetch remote .*/none.git: .*(not found|no such repository)"),
    ],
)
async def test_a_clear_error(
    machine: Machine, remote: str, path: str, fields: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await text_of(machine, remote.replace("repo.git", path), **fields)
    assert left(machine) == []


async def test_nobody_there(machine: Machine) -> None:
    with pytest.raises(PierError, match=r"failed to fetch remote git://127.0.0.1:1/x.git: .*Connection refused"):
        await text_of(machine, "git://127.0.0.1:1/x.git")
    with pytest.raises(PierError, match='no SSH key "default" forwarded from the client'):
        await text_of(machine, "git@127.0.0.1:x.git")


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        ({"GIT_AUTH_TOKEN": "s3cret"}, "basic eC1hY2Nlc3MtdG9rZW46czNjcmV0"),
        ({"GIT_AUTH_HEADER": "Bearer s3cret\n"}, "Bearer s3cret"),
        ({"GIT_AUTH_TOKEN": "wrong", "GIT_AUTH_HEADER.HOST": "Bearer s3cret"}, "Bearer s3cret"),
        ({}, "basic dXNlcjpzM2NyZXQ="),
    ],
)
async def test_a_server_that_asks_who_it_is(
    machine: Machine, served: Path, project: Project, secrets: dict[str, str], header: str
) -> None:
    """The secret is nowhere afterwards."""
    with web_server(served, header) as (url, seen):
        with pytest.raises(Unauthorized, match=r"could not read Username.*GIT_AUTH_TOKEN"):
            await text_of(machine, f"{url}/repo.git")
        host = url.removeprefix("http://")
        machine.client = Keeper(**{name.replace("HOST", host): value for name, value in secrets.items()})
        user = "" if secrets else "user:s3cret@"
        assert await text_of(machine, f"http://{user}{host}/repo.git") == "two"
        assert header in seen
    told = b"".join(event.data for event in machine.told if isinstance(event, LogPiece))
    assert told and b"s3cret" not in told
    kept = [path.read_bytes() for path in (machine.root / "build").rglob("*") if path.is_file()]
    assert kept and not any(b"s3cret" in each or header.encode() in each for each in kept)


async def test_a_server_that_hangs(machine: Machine) -> None:
    """Every protocol; and whoever does not want to wait leaves nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for scheme in ("git", "http"):
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/repo.git"
            build = machine.build()
            with pytest.raises(DeadlineExceeded, match=f"{url}: the server does not answer"):
                await source(build, url, silence=1)
            assert left(machine) == []
            running = asyncio.create_task(source(build, url))
            while not left(machine):
                await asyncio.wait({running}, timeout=0.01)
            began = time.monotonic()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert time.monotonic() - began < 30
            assert left(machine) == []


async def test_several_builds_at_once(machine: Machine, by_daemon: str) -> None:
    refs = ("main", "topic", "v1", "v2", "main")
    texts = await asyncio.gather(*(text_of(machine, f"{by_daemon}/repo.git", ref=ref) for ref in refs))
    assert texts == ["two", "topic", "one", "one", "two"]
    assert left(machine) == []


async def test_what_a_killed_git_left(machine: Machine, project: Project, by_daemon: str) -> None:
    url = f"{by_daemon}/repo.git"
    await text_of(machine, url, ref="v1")
    repository = next((machine.root / "build" / "git").iterdir())
    for name in ("shallow.lock", "config.lock", "HEAD.lock", "packed-refs.lock", "objects/pack/tmp_pack_x"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("half")
    assert await text_of(machine, url, ref="topic") == "topic"
    assert left(machine) == []


async def test_a_repository_that_went_bad(machine: Machine, project: Project, by_daemon: str) -> None:
    url = f"{by_daemon}/repo.git"
    await text_of(machine, url, ref="v1")
    repository = next((machine.root / "build" / "git").iterdir())
    (repository / "HEAD").unlink()
    assert await text_of(machine, url, ref="topic") == "topic"
    for each in (repository / "objects").rglob("*"):
        if each.is_file():
            os.chmod(each, 0o600)
            each.write_bytes(b"")
    project.commit("five", file="five")
    project.publish()
    assert await text_of(machine, url) == "five"
