"""``builder du`` and ``builder prune``: what is shown of the cache, what is asked of the daemon."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pier.cli.command import Failure
from pier.cli.commands.builder import check, matches

Json = dict[str, Any]
PROGRAM = Path(__file__).resolve().parents[3] / "bin" / "pier"
STEP = {
    "ID": "y66kwvm0ay4xk7udlyp0k817f",
    "Parents": ["jfb6p0aapn3wegr4k56tkeqh2"],
    "Type": "regular",
    "Description": "[2/3] COPY . /src",
    "InUse": False,
    "Shared": True,
    "Size": 300_000_000,
    "CreatedAt": "2020-01-02T03:04:05.5Z",
    "LastUsedAt": "2020-01-02T03:04:05.5Z",
    "UsageCount": 1,
}
MOUNT = {
    "ID": "6ki3rmxiglerqdw3jzdowa7ay",
    "Type": "exec.cachemount",
    "Description": "cached mount /root/.npm",
    "InUse": True,
    "Shared": False,
    "Size": 4,
    "CreatedAt": "2020-01-02T03:04:05Z",
    "LastUsedAt": None,
    "UsageCount": 0,
}


class Daemon:
    """Answers every request but pings with ``answer``; ``asked`` are the queries."""

    def __init__(self, path: Path, answer: Json) -> None:
        self.host = f"unix://{path}"
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self._answer = json.dumps(answer).encode()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while line := file.readline().decode().strip():
                while file.readline().strip():
                    pass
                body = b""
                if "/_ping" not in line:
                    target = urlsplit(line.split()[1])
                    self.asked.append((target.path.partition("/v1.")[2].partition("/")[2], parse_qs(target.query)))
                    body = self._answer
                head = ("HTTP/1.1 200 OK", "Api-Version: 1.51", "Ostype: linux", "Content-Type: application/json")
                lines = "\r\n".join((*head, f"Content-Length: {len(body)}", "", ""))
                connection.sendall(lines.encode() + body)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def pier(daemon: Daemon, *words: str, answer: str = "") -> str:
    """What ``pier`` prints."""
    done = subprocess.run([PROGRAM, "-H", daemon.host, *words], input=answer, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def usage(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "s", {"BuildCache": [MOUNT, STEP]})
    yield daemon
    daemon.close()


@pytest.fixture
def pruning(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "s", {"CachesDeleted": ["abc", "def"], "SpaceReclaimed": 1_500_000})
    yield daemon
    daemon.close()


@pytest.mark.parametrize("words", [["builder", "du"], ["buildx", "du"]])
def test_du(usage: Daemon, words: list[str]) -> None:
    lines = pier(usage, *words).splitlines()
    assert lines[0] == "ID\t\t\t\t\t\tRECLAIMABLE\tSIZE\t\tLAST ACCESSED"
    assert lines[1].startswith("y66kwvm0ay4xk7udlyp0k817f               \ttrue \t\t300MB*    \t")
    assert lines[2] == "6ki3rmxiglerqdw3jzdowa7ay*              \tfalse\t\t4B        \t"
    assert lines[3:] == ["Shared:\t\t300MB", "Private:\t4B", "Reclaimable:\t300MB", "Total:\t\t300MB"]
    assert usage.asked == [("system/df", {"type": ["build-cache"]})]


def test_du_with_everything(usage: Daemon) -> None:
    blocks = pier(usage, "builder", "du", "--verbose", "--filter", "type=regular").split("\n\n")
    names = [line.partition(":")[0] for line in blocks[0].splitlines()]
    assert names == [
        "ID",
        "Parent",
        "Created at",
        "Mutable",
        "Reclaimable",
        "Shared",
        "Size",
        "Description",
        "Usage count",
        "Last used",
        "Type",
    ]
    assert "Description:\t[2/3] COPY . /src" in blocks[0]
    assert len(blocks) == 2


def test_du_as_json(usage: Daemon) -> None:
    rows = [json.loads(line) for line in pier(usage, "builder", "du", "--format", "json").splitlines()]
    assert [row["CacheType"] for row in rows] == ["regular", "exec.cachemount"]


@pytest.mark.parametrize("words", [["builder", "prune"], ["buildx", "prune"]])
def test_prune(pruning: Daemon, words: list[str]) -> None:
    flags = ["-f", "-a", "--keep-storage", "1k", "--filter", "until=24h", "--filter", "type=regular"]
    said = pier(pruning, *words, *flags)
    assert said == "Deleted build cache objects:\nabc\ndef\n\nTotal reclaimed space: 1.5MB\n"
    ((path, query),) = pruning.asked
    assert (path, query["keep-storage"]) == ("build/prune", ["1024"])
    assert query["all"] in (["1"], ["true"])
    assert json.loads(query["filters"][0]) == {"until": ["24h"], "type": ["regular"]}


@pytest.mark.parametrize(("flags", "warning"), [([], "dangling build cache"), (["-a"], "all build cache")])
def test_prune_asks(pruning: Daemon, flags: list[str], warning: str) -> None:
    assert warning in pier(pruning, "builder", "prune", *flags, answer="n\n")
    assert pruning.asked == []


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, True),
        ({"id": ["y66"]}, True),
        ({"id": ["x", "y66"]}, True),
        ({"type": ["regular"]}, True),
        ({"type": ["source.local"]}, False),
        ({"shared": ["true"]}, True),
        ({"private": ["true"]}, False),
        ({"inuse": ["false"]}, True),
        ({"mutable": ["1"]}, False),
        ({"parent": ["jfb6p0aapn3wegr4k56tkeqh2"]}, True),
        ({"unused-for": ["24h"]}, True),
        ({"until": ["1000000h"]}, False),
        ({"type": ["regular"], "inuse": ["1"]}, False),
    ],
)
def test_filters(filters: dict[str, list[str]], found: bool) -> None:
    check(filters)
    assert matches(STEP, filters) is found


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"foo": ["x"]}, "invalid filter 'foo'"),
        ({"until": ["xx"]}, '"until" filter expects a duration (e.g., \'24h\'): time: invalid duration "xx"'),
    ],
)
def test_filters_that_are_none(filters: dict[str, list[str]], message: str) -> None:
    with pytest.raises(Failure) as failure:
        check(filters)
    assert str(failure.value) == message
