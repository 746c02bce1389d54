"""What a pull shows, on a terminal and elsewhere: the same as Docker's client makes of the same messages."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.compat.canneddaemon import canned_daemon
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier

MB = 1 << 20


def told(identity: str, status: str, **detail: Any) -> dict[str, Any]:
    return {"status": status, "id": identity, "progressDetail": detail}


BEGINNING = [
    {"status": "Pulling from team/app", "id": "1"},
    told("aaaaaaaaaaaa", "Pulling fs layer"),
    told("bbbbbbbbbbbb", "Pulling fs layer"),
    told("bbbbbbbbbbbb", "Waiting"),
    told("aaaaaaaaaaaa", "Downloading", current=MB // 32, total=3 * MB),
    told("aaaaaaaaaaaa", "Downloading", current=2 * MB, total=3 * MB),
]
WHOLE = [
    *BEGINNING,
    told("bbbbbbbbbbbb", "Downloading", current=MB),
    told("aaaaaaaaaaaa", "Verifying Checksum"),
    told("aaaaaaaaaaaa", "Download complete"),
    told("aaaaaaaaaaaa", "Extracting", current=3 * MB, total=3 * MB),
    told("bbbbbbbbbbbb", "Extracting", current=3, units="s"),
    told("bbbbbbbbbbbb", "Extracting", current=3, total=5, units="s"),
    told("bbbbbbbbbbbb", "Extracting", current=5 * MB, total=3 * MB),
    told("bbbbbbbbbbbb", "Extracting", current=5, total=10, hidecounts=True),
    told("aaaaaaaaaaaa", "Pull complete"),
    told("bbbbbbbbbbbb", "Pull complete"),
    {"status": "Digest: sha256:123"},
    {"status": "Status: Downloaded newer image for team/app:1"},
]
BROKEN = [*BEGINNING, {"errorDetail": {"message": "unexpected EOF"}, "error": "unexpected EOF"}]
STREAMS = pytest.mark.parametrize("messages", [WHOLE, BROKEN], ids=["whole", "broken"])


def clients(host: str, folder: Path) -> tuple[Docker, Pier]:
    return Docker(docker_program(), host, folder, "x=y"), Pier(host, folder, "x=y")


@STREAMS
@pytest.mark.parametrize("flags", [(), ("-q",)], ids=["loud", "quiet"])
def test_plain(messages: list[dict[str, Any]], flags: tuple[str, ...], tmp_path: Path) -> None:
    with canned_daemon(tmp_path / "s", messages) as host:
        theirs, ours = (cli("pull", *flags, "team/app:1", code={0, 1}) for cli in clients(host, tmp_path))
    assert ours == theirs


def on_terminal(cli: Docker, columns: int, rows: int = 24) -> tuple[int, str]:
    with cli.terminal("pull", "team/app:1", columns=columns, rows=rows) as terminal:
        code = terminal.ended()
        return code, re.sub(r" +(?=\r)", "", terminal.seen)


@STREAMS
@pytest.mark.parametrize("columns", [200, 120, 111, 110, 80, 50])
def test_terminal(messages: list[dict[str, Any]], columns: int, tmp_path: Path) -> None:
    with canned_daemon(tmp_path / "s", messages) as host:
        theirs, ours = (on_terminal(cli, columns) for cli in clients(host, tmp_path))
    assert ours == theirs


def test_nothing_wraps_in_a_narrow_terminal(tmp_path: Path) -> None:
    with canned_daemon(tmp_path / "s", WHOLE) as host:
        _, seen = on_terminal(clients(host, tmp_path)[1], 20)
    drawn = re.findall(r"\x1b\[2K\r([^\r]*)\r", seen)
    assert drawn and max(map(len, drawn)) == 20


def test_what_has_scrolled_away_is_not_drawn(tmp_path: Path) -> None:
    layers = [f"{number:012d}" for number in range(9)]
    messages = [told(layer, "Pulling fs layer") for layer in layers] + [told(layers[0], "Pull complete")]
    with canned_daemon(tmp_path / "s", messages) as host:
        _, seen = on_terminal(clients(host, tmp_path)[1], 80, rows=5)
    assert "Pull complete" not in seen
    assert seen.count("Pulling fs layer") == 9
