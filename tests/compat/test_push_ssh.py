"""``ssh://`` hosts, and images that go from one engine to another over ssh, behind a real sshd."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pier.testing.engine import running_engine
from pier.testing.sshd import sshd
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import PROGRAM, Pier
from tests.compat.rootfs import busybox_rootfs

SIZE = 12_000_000


@dataclass(frozen=True)
class Pair:
    """``here`` has the images; ``there`` is behind ``url``. ``away`` speaks to it over ssh."""

    here: Docker
    there: Docker
    away: Docker
    url: str


class Remote(Pier):
    """``pier`` with an ssh that gets in, and out of the way of the tests' own."""

    def __init__(self, host: str, config: Path, bin: Path) -> None:
        super().__init__(host, config, "pier.test=ssh")
        self._env["PATH"] = f"{bin}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("ssh")
    path = f"{PROGRAM.parent}:/usr/bin:/bin"
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    with running_engine(folder / "one") as one, running_engine(folder / "two") as two, sshd(folder, path) as server:
        url = f"ssh://{server.host}{two.socket}"
        here, there, away = (Remote(host, folder / "config", server.bin) for host in (one.host, two.host, url))
        here("import", "-c", 'CMD ["sh"]', "-", "base", stdin=busybox_rootfs())
        big = f"FROM base\nRUN head -c {SIZE} /dev/urandom > /big\nRUN echo one > /x\n"
        here("build", "-q", "-t", "app:1", "-", stdin=big.encode())
        here("build", "-q", "-t", "app:2", "-", stdin=b"FROM app:1\nRUN echo two > /x\n")
        yield Pair(here, there, away, url)


def test_an_engine_behind_ssh(pair: Pair) -> None:
    assert pair.away("version", "-f", "{{.Server.Os}}").out == "linux"
    pair.here("push", "-q", "base", pair.url)
    assert pair.away("run", "--rm", "-i", "base", "cat", stdin=b"to and fro").out == "to and fro"
    assert pair.away("run", "--rm", "base", "sh", "-c", "exit 7", code=7).out == ""
    pair.there("rmi", "base")


def test_only_what_is_lacking_goes(pair: Pair) -> None:
    first = pair.here("push", "app:1", pair.url)
    assert first.lines[0] == f"The push refers to app:1 at {pair.url}"
    assert first.lines[-1] == "Loaded image: app:1"
    assert "already exists" not in first.out
    again = pair.here("push", "app:2", pair.url)
    assert again.out.count("Layer already exists") == 3
    assert pair.there("run", "--rm", "app:2", "sh", "-c", "cat /x; wc -c < /big").lines == ["two", str(SIZE)]
    ids = [each("image", "inspect", "-f", "{{.Id}}", "app:2").out for each in (pair.here, pair.there)]
    assert ids[0] == ids[1]
    assert pair.here("push", "-q", "app:2", pair.url).out == "app:2"
    pair.there("rmi", "-f", "app:1", "app:2")


def test_progress_while_layers_go(pair: Pair) -> None:
    """On a terminal the other side talks while it is being sent to."""
    with pair.here.terminal("push", "app:1", pair.url) as terminal:
        terminal.expect("Loading layer")
        terminal.expect("Loaded image: app:1")
        assert terminal.ended() == 0
    pair.there("rmi", "-f", "app:1")


def test_what_is_not_here_or_cannot_be_reached(pair: Pair) -> None:
    assert "No such image: nope:latest" in pair.here.fails("push", "nope", pair.url)
    assert "Connection refused" in pair.here.fails("push", "app:1", "ssh://127.0.0.1:1")
    nowhere = pair.here.fails("push", "app:1", pair.url + "x")
    assert "Cannot connect to the Pier daemon" in nowhere and "is there a pier" in nowhere
    assert "name one image" in pair.here.fails("push", "app:1", "app:2")
    assert "only one tag" in pair.here.fails("push", "-a", "app", pair.url)


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "me:secret@host", "host:x", "", "a;b"])
def test_strange_hosts(pair: Pair, host: str) -> None:
    error = pair.here.fails("push", "app:1", f"ssh://{host}")
    assert "ssh" in error and "secret" not in error.replace("me:secret@host", "")


def test_a_load_tells_of_its_progress_on_a_terminal(pair: Pair, tmp_path: Path) -> None:
    archive = str(tmp_path / "app.tar")
    pair.here("save", "-o", archive, "app:1")
    with pair.there.terminal("load", "-i", archive) as terminal:
        terminal.expect("Loading layer")
        terminal.expect("Loaded image: app:1")
        assert terminal.ended() == 0
    pair.there("rmi", "-f", "app:1")
