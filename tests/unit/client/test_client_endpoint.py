"""Addresses of daemons, and what is said when nobody is there."""

import shlex
from pathlib import Path

import pytest

from pier.client.endpoint import DEFAULT, Endpoint, from_environment
from pier.errors import InvalidArgument, Unavailable


@pytest.mark.parametrize(
    ("url", "path", "host", "port"),
    [
        ("unix:///run/x.sock", "/run/x.sock", "", 0),
        ("/run/x.sock", "/run/x.sock", "", 0),
        ("tcp://h:1234", "", "h", 1234),
        ("tcp://h", "", "h", 2375),
        ("tcp://[::1]:99", "", "::1", 99),
        ("tcp://[::1]", "", "::1", 2375),
        ("tcp://:77", "", "127.0.0.1", 77),
        ("h:1234", "", "h", 1234),
    ],
)
def test_addresses(url: str, path: str, host: str, port: int) -> None:
    endpoint = Endpoint(url)
    assert (endpoint.path, endpoint.host, endpoint.port) == (path, host, port)


@pytest.mark.parametrize(
    "url", ["tcp://h:x", "tcp://h:0", "tcp://h:70000", "npipe://x", "unix://", "ssh://", "ssh://-x", "ssh://a b"]
)
def test_nonsense_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        Endpoint(url)


@pytest.mark.parametrize(
    ("url", "words", "socket"),
    [
        ("ssh://host", ["--", "host"], ""),
        ("ssh://me@host", ["-l", "me", "--", "host"], ""),
        ("ssh://DOMAIN\\me@host:22", ["-l", "DOMAIN\\me", "-p", "22", "--", "host"], ""),
        ("ssh://[::1]:2222/run/x.sock", ["-p", "2222", "--", "::1"], "/run/x.sock"),
        ("ssh://host/with'quote", ["--", "host"], "/with'quote"),
    ],
)
def test_ssh(url: str, words: list[str], socket: str) -> None:
    host = Endpoint(url).ssh
    assert host is not None
    *command, remote = host.command()
    assert command[-len(words) :] == words
    assert host.socket == socket
    assert shlex.split(remote)[:2] == ["sh", "-c"]
    script = shlex.split(remote)[2]
    assert shlex.split(script.replace(";", " ; ")).count("dial-stdio") == 2
    assert not socket or f"unix://{socket}" in shlex.split(script)


@pytest.mark.parametrize(
    ("given", "pier", "docker", "expected"),
    [
        ("unix:///a", "unix:///b", "unix:///c", "unix:///a"),
        (None, "unix:///b", "unix:///c", "unix:///b"),
        (None, "", "unix:///c", "unix:///c"),
        (None, "", "", DEFAULT),
    ],
)
def test_who_decides(given: str | None, pier: str, docker: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIER_HOST", pier)
    monkeypatch.setenv("DOCKER_HOST", docker)
    assert from_environment(given).url == expected


def test_nobody_listens(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none.sock"
    with pytest.raises(Unavailable) as caught:
        Endpoint(url).connect()
    assert str(caught.value) == f"Cannot connect to the Pier daemon at {url}. Is the pier daemon running?"
