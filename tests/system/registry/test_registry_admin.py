"""``pier registry user``, ``robot`` and ``project``: people and rights from the registry's own host."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from pier.oci.digest import sha256
from pier.testing.registryserver import pier_registry

ADMIN = [sys.executable, "-m", "pier.daemon.registryadmin"]
PIER = str(Path(__file__).resolve().parents[3] / "bin" / "pier")


@pytest.fixture
def root(tmp_path: Path) -> str:
    return f"--root={tmp_path}/registry"


def run(*words: str, stdin: str = "", code: int = 0) -> str:
    done = subprocess.run([*ADMIN, *words], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def test_users(root: str) -> None:
    stdin = ("--password-stdin=true", root)
    run("user", "add", "ann", "--admin=true", *stdin, stdin="secret\n")
    run("user", "add", "bob", "--role=team=writer", "--role=site/*=reader", *stdin, stdin="secret\n")
    assert "user bob already exists" in run("user", "add", "bob", *stdin, stdin="secret\n", code=1)
    run("user", "set", "bob", "--role=team=", "--disabled=true", root)
    run("user", "add", "cat", "--no-password=true", root)
    lines = [line.split() for line in run("user", "ls", root).splitlines()]
    assert lines[1:] == [["ann", "admin", "active"], ["bob", "site/*=reader", "disabled"], ["cat", "active"]]
    run("user", "passwd", "ann", *stdin, stdin="another\n")
    run("user", "rm", "ann", root)
    assert "no such user: ann" in run("user", "rm", "ann", root, code=1)


@pytest.mark.parametrize(
    ("words", "stdin", "expected"),
    [
        (["user", "add", "ann", "--password-stdin=true"], "", "the password is empty"),
        (["user", "add", "ann", "--password-stdin=true"], "x" * 73, "a password has 1 to 72 bytes"),
        (["user", "add", "ann"], "secret", "a password is asked for on a terminal"),
        (["user", "add", "a b", "--no-password=true"], "", "invalid user name"),
        (["user", "add", "ann", "--no-password=true", "--role=team=king"], "", "invalid role (king)"),
        (["user", "add", "ann", "--no-password=true", "--role=team"], "", "--role takes PROJECT=ROLE"),
        (["user", "passwd", "ann", "--password-stdin=true"], "x", "no such user: ann"),
        (["robot", "add", "ci"], "", "a robot's name is PROJECT/NAME"),
        (["project", "set", "team"], "", "no such project: team"),
        (["project", "add", "team", "--days=3"], "", "--days goes with --keep"),
        (["project", "add", "a/b"], "", "invalid project name"),
        (["project", "add", "team", "--quota=-1"], "", "a quota"),
    ],
)
def test_what_is_refused(words: list[str], stdin: str, expected: str, root: str) -> None:
    run("project", "add", "other", root)
    assert expected in run(*words, root, stdin=stdin, code=1)


def test_folders_that_have_no_registry(root: str, tmp_path: Path) -> None:
    """Only who adds somebody may be the first."""
    for verb in (["ls"], ["set", "ann"], ["rm", "ann"], ["passwd", "ann"]):
        said = run("user", *verb, root, code=1)
        assert said == f"pier registry: there is no registry in {tmp_path}/registry: no such file registry.db\n"
    assert list(tmp_path.iterdir()) == []
    said = run("user", "add", "ann", "--no-password=true", "--root=here", code=1)
    assert said == "pier registry: root must be an absolute path: here\n"


def test_robots(root: str) -> None:
    shown = dict(line.split(": ") for line in run("robot", "add", "team/ci", "--days=5", root).splitlines())
    assert shown["name"] == "robot$team+ci"
    assert len(shown["secret"]) == 40
    run("robot", "set", "team/ci", "--role=reader", root)
    listed = run("robot", "ls", root)
    assert "team=reader" in listed
    assert shown["secret"] not in listed
    run("robot", "rm", "team/ci", root)
    assert len(run("robot", "ls", root).splitlines()) == 1


def test_projects(root: str) -> None:
    rules = ("--keep=pr-*=5", "--untagged=true", "--days=7")
    run("project", "add", "site", "--public=true", "--immutable=v*", *rules, root)
    run("project", "set", "site", "--quota=1000", root)
    listed = ["site", "public", "0", "1000", "v*", "pr-*=5,7d", "untagged,7d"]
    assert run("project", "ls", root).splitlines()[1].split() == listed
    run("project", "rm", "site", root)


async def test_rules_of_a_project_that_was_only_pushed_to(root: str, tmp_path: Path) -> None:
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        async with http.post(f"/v2/team/a/blobs/uploads/?digest={sha256(b'{}')}", data=b"{}") as answer:
            assert answer.status == 201
        here = f"--root={registry.root}"
        assert await asyncio.to_thread(run, "project", "set", "team", "--immutable=v*", here) == "team\n"
        listed = await asyncio.to_thread(run, "project", "ls", here)
    assert listed.splitlines()[1].split() == ["team", "private", "2", "v*"]


def test_what_was_changed_stands_in_the_audit_log(root: str, tmp_path: Path) -> None:
    file, log = tmp_path / "registry.toml", tmp_path / "audit.log"
    file.write_text(f'root = "{tmp_path}/registry"\naudit_log = "{log}"\n')
    run("user", "add", "ann", f"--config={file}", "--password-stdin=true", stdin="secret\n")
    run("user", "ls", f"--config={file}")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["event"], each["target"]) for each in lines] == [("user add", "ann")]
    assert "secret" not in log.read_text()


def test_the_password_is_asked_for_on_a_terminal(root: str) -> None:
    """Twice, and not shown; no argument of a process has it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(PIER, [PIER, "registry", "user", "add", root, "ann"])
    said = b""
    for prompt in (b"Password for ann: ", b"Once more: "):
        while not said.endswith(prompt):
            said += os.read(terminal, 1000)
        assert b"on-a-terminal" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        os.write(terminal, b"on-a-terminal\n")
    said += _rest(terminal)
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert b"on-a-terminal" not in said
    assert "ann" in run("user", "ls", root)


def _rest(terminal: int) -> bytes:
    said = b""
    try:
        while piece := os.read(terminal, 1000):
            said += piece
    except OSError:  # the other side is closed
        pass
    return said
