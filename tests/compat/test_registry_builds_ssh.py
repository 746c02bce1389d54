"""Automated builds of repositories that a deploy key opens, behind a real sshd."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pier.linux import process
from pier.testing.engine import RunningEngine
from pier.testing.sshd import sshd
from tests.compat.docker_cli import eventually
from tests.compat.hostile import alive, arguments, seconds
from tests.compat.registrybuilding import daemon, house, rule_of
from tests.system.build.gitserver import Project

MAIN = "refs/heads/main"

__all__ = ["daemon"]


@dataclass(frozen=True)
class Behind:
    """A repository behind ssh. ``key`` opens it; ``known`` knows its server."""

    project: Project
    url: str
    key: Path
    known: Path


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Behind]:
    (tmp_path / "served").mkdir()
    project = Project(tmp_path / "served")
    project.commit("one", Dockerfile="FROM box\nCOPY text /\nRUN cat /text\n", text="behind a key\n")
    project.publish()
    with sshd(tmp_path, "/usr/bin:/bin") as server:
        host, _, port = server.host.partition(":")
        place = tmp_path / "deploy keys"
        place.mkdir()
        key, known = place / "key", place / "known"
        shutil.copy(tmp_path / "sshd" / "user", key)
        known.write_text(f"[{host}]:{port} {(tmp_path / 'sshd' / 'host.pub').read_text()}")
        yield Behind(project, f"ssh://root@{server.host}{project.place}", key, known)


@pytest.fixture
def rule(daemon: RunningEngine, behind: Behind) -> dict[str, Any]:
    return rule_of(daemon, behind.url, git_key_file=str(behind.key), git_known_hosts_file=str(behind.known))


async def test_a_repository_behind_a_key(tmp_path: Path, rule: dict[str, Any], behind: Behind) -> None:
    commit = behind.project.git("rev-parse", "HEAD")
    behind.project.commit("two", text="two\n")
    (behind.project.folder / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ./../repo.git\n')
    (behind.project.folder / "Dockerfile").write_text("FROM box\nCOPY lib/text /\nRUN sed 's/^/a submodule /' /text\n")
    behind.project.git("add", "--all")
    behind.project.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    behind.project.git("commit", "--quiet", "--message", "with a submodule")
    submodule = behind.project.git("rev-parse", "HEAD")
    behind.project.publish()
    async with asyncio.timeout(150), house(tmp_path, rule) as made:
        run = await made.ended(await made.push(MAIN, commit))
        assert "behind a key\n" in run["log"] and await made.tags() == ["latest"]
        other = await made.ended(await made.push(MAIN, submodule))
        assert "a submodule behind a key\n" in other["log"], other
        assert list((made.registry.root / "builds").iterdir()) == []
        private = behind.key.read_text().splitlines()[2]
        assert private not in str(run) + made.registry.log.read_text()


async def test_who_is_not_let_in(tmp_path: Path, rule: dict[str, Any], behind: Behind) -> None:
    """A server that is not known, or another than it was, is shown no key; and keys that open nothing."""
    commit = behind.project.git("rev-parse", "HEAD")
    right, known = behind.key.read_bytes(), behind.known.read_text()
    other = tmp_path / "other"
    for word, more in (("other", []), ("locked", ["-N", "word"])):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-f", str(tmp_path / word), *(more or ["-N", ""])]
        assert (await process.run(keygen)).returncode == 0
    changed = f"{known.split()[0]} {other.with_suffix('.pub').read_text()}"

    def restore() -> None:
        behind.key.write_bytes(right)
        behind.key.chmod(0o600)
        behind.known.write_text(known)

    async with asyncio.timeout(150), house(tmp_path, rule) as made:

        async def says(expected: str) -> None:
            failed = await made.ended(await made.push(MAIN, commit), "failed")
            assert expected in failed["note"] and rule["repository"] in failed["note"], failed
            assert behind.known.read_text() in (known, "", changed)
            await asyncio.to_thread(restore)

        behind.known.write_text("")
        await says("the server's host key is not in git_known_hosts_file")
        behind.known.write_text(changed)
        await says("the server's host key is another than in git_known_hosts_file")
        behind.key.write_bytes(other.read_bytes())
        await says("the server does not accept git_key_file")
        behind.key.write_bytes((tmp_path / "locked").read_bytes())
        await says("without a passphrase, or with the one in git_key_passphrase_file")
        behind.key.write_bytes(b"no key\n")
        await says("it has to be a private key of OpenSSH's")
        behind.key.chmod(0o644)
        await says("chmod 600")
        behind.key.unlink()
        await says("git_key_file is not there")
        shutil.move(behind.project.place, tmp_path / "gone")
        await says("there is no such repository")


async def test_a_key_with_a_passphrase(tmp_path: Path, rule: dict[str, Any], behind: Behind) -> None:
    """It is shown to ssh alone: nobody sees it among the arguments, in the log, in what is kept."""
    commit = behind.project.git("rev-parse", "HEAD")
    word, file = "pass: 'phrase' $HOME", tmp_path / "passphrase"
    keygen = ["ssh-keygen", "-q", "-p", "-P", "", "-N", word, "-f", str(behind.key)]
    assert (await process.run(keygen)).returncode == 0
    file.write_text(f"{word}\n")
    rule |= {"git_key_passphrase_file": str(file)}
    async with asyncio.timeout(150), house(tmp_path, rule, log_level="debug") as made:
        with arguments() as seen:
            run = await made.ended(await made.push(MAIN, commit))
        assert await made.tags() == ["latest"]
        await asyncio.to_thread(file.write_text, "another\n")
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert "without a passphrase, or with the one in git_key_passphrase_file" in failed["note"], failed
        await asyncio.to_thread(file.write_text, "")
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert f"the git_key_passphrase_file {file} has to hold one line" in failed["note"], failed
        assert list((made.registry.root / "builds").iterdir()) == []
        kept = [path.read_bytes() for path in made.registry.root.rglob("*") if path.is_file()]
    texts = [b"".join(seen), b"".join(kept), str((run, failed)).encode(), made.registry.log.read_bytes()]
    assert any(b"ssh" in each for each in seen) and not any(b"phrase' $HOME" in text for text in texts)


async def test_an_engine_behind_a_key(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, behind: Behind
) -> None:
    """Its socket is here while the build goes on; nothing of that stays."""
    commit = behind.project.git("rev-parse", "HEAD")
    address = urlsplit(behind.url).netloc
    rule |= {
        "engine": f"ssh://{address}{daemon.host.removeprefix('unix://')}",
        "engine_key_file": str(behind.key),
        "engine_known_hosts_file": str(behind.known),
    }
    nobody = rule | {"name": "nobody", "engine": f"ssh://{address}/nowhere.sock"}
    async with asyncio.timeout(150), house(tmp_path, rule, also=[nobody]) as made:
        await made.ended(await made.push(MAIN, commit))
        assert await made.tags() == ["latest"] and list((made.registry.root / "builds").iterdir()) == []
        assert not alive(f"./engine:{daemon.host.removeprefix('unix://')}")
        waiting = await made.push(MAIN, commit, "nobody")
        await made.until(waiting, lambda run: "the engine does not answer" in run["note"])


async def test_an_engine_that_lets_nobody_in(tmp_path: Path, daemon: RunningEngine, behind: Behind) -> None:
    """And one whose build goes on when the registry is killed: ssh ends with it."""
    forwarded = f"./engine:{daemon.host.removeprefix('unix://')}"
    key, known = tmp_path / "key", tmp_path / "known"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-f", str(key), "-N", ""]
    assert (await process.run(keygen)).returncode == 0
    key.with_suffix(".pub").unlink()  # ssh would believe it of another key in this place
    known.write_text("")
    long = seconds()
    commit = behind.project.commit("long", Dockerfile=f"FROM box\nRUN echo begun; sleep {long}\n")
    behind.project.publish()
    engine = {
        "engine": f"ssh://{urlsplit(behind.url).netloc}{daemon.host.removeprefix('unix://')}",
        "engine_key_file": str(key),
        "engine_known_hosts_file": str(known),
        "git_key_file": str(behind.key),
        "git_known_hosts_file": str(behind.known),
    }
    async with asyncio.timeout(150), house(tmp_path, rule_of(daemon, behind.url) | engine) as made:
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert "its host's key is not in engine_known_hosts_file" in failed["note"], failed
        await asyncio.to_thread(known.write_text, behind.known.read_text())
        failed = await made.ended(await made.push(MAIN, commit), "failed")
        assert "its host does not accept engine_key_file" in failed["note"], failed
        await asyncio.to_thread(key.write_bytes, behind.key.read_bytes())
        await made.until(await made.push(MAIN, commit), lambda run: "begun" in run["log"])
        assert alive(forwarded)
        made.registry.child.send_signal(9)
        await asyncio.to_thread(eventually, lambda: not alive(forwarded), "ssh ends with the registry")
        await asyncio.to_thread(eventually, lambda: not alive(long), "the build ends with ssh")
