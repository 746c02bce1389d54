"""Registry credentials: the file, helpers, and the header that the daemon gets."""

import json
import os
from base64 import b64encode, urlsafe_b64decode
from pathlib import Path

import pytest

from pier.cli.config import Settings, load
from pier.cli.credentials import HUB, erase, header, key_of, lookup, store
from pier.errors import InvalidArgument

HELPER = """#!/bin/sh
read -r input
echo "$1 $input" >>{log}
case "$1 $input" in
    "get known") echo '{{"ServerURL":"known","Username":"u","Secret":"s"}}' ;;
    "get token") echo '{{"ServerURL":"token","Username":"<token>","Secret":"t"}}' ;;
    "get broken") echo "out of order"; exit 1 ;;
    get*) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper named ``test``; what it was asked."""
    path = tmp_path / "docker-credential-test"
    path.write_text(HELPER.format(log=tmp_path / "log"))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "log"


def settings(tmp_path: Path, **raw: object) -> Settings:
    return Settings(str(tmp_path / "config.json"), dict(raw))


def test_keys() -> None:
    assert [key_of(domain) for domain in ("docker.io", "", "index.docker.io", "localhost:5000")] == [
        HUB,
        HUB,
        HUB,
        "localhost:5000",
    ]


def test_kept_in_the_file(tmp_path: Path) -> None:
    kept = settings(tmp_path, psFormat="x")
    assert store(kept, "r:5000", {"username": "me", "password": "a:b"}) == ""
    again = load({"config": str(tmp_path)})
    assert lookup(again, "r:5000") == {"serveraddress": "r:5000", "username": "me", "password": "a:b"}
    assert again.format("psFormat") == "x"
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    erase(again, "r:5000")
    assert lookup(load({"config": str(tmp_path)}), "r:5000") == {}


def test_identity_tokens(tmp_path: Path) -> None:
    kept = settings(tmp_path)
    store(kept, "r", {"username": "me", "password": "", "identitytoken": "tok"})
    assert lookup(kept, "r") == {"serveraddress": "r", "username": "me", "password": "", "identitytoken": "tok"}


@pytest.mark.parametrize("name", ["r", "https://r", "http://r", "https://r/", "https://r/v2/"])
def test_spellings_of_a_registry(name: str, tmp_path: Path) -> None:
    auth = b64encode(b"me:pw").decode()
    assert lookup(settings(tmp_path, auths={name: {"auth": auth}}), "r")["username"] == "me"


def test_helpers(tmp_path: Path, log: Path) -> None:
    kept = settings(tmp_path, credsStore="test")
    assert lookup(kept, "known") == {"serveraddress": "known", "username": "u", "password": "s"}
    assert lookup(kept, "token") == {"serveraddress": "token", "identitytoken": "t"}
    assert lookup(kept, "unknown") == {}
    assert store(kept, "new", {"username": "u", "password": "p"}) == "test"
    erase(kept, "new")
    assert log.read_text().splitlines()[-2:] == [
        'store {"ServerURL":"new","Username":"u","Secret":"p"}',
        "erase new",
    ]
    assert "p" not in json.loads((tmp_path / "config.json").read_text())["auths"].get("new", {})


@pytest.mark.parametrize("key", ["broken"])
def test_a_helper_that_fails(key: str, tmp_path: Path, log: Path) -> None:
    with pytest.raises(InvalidArgument, match="docker-credential-test: exit status 1: out of order"):
        lookup(settings(tmp_path, credHelpers={key: "test"}), key)
    assert log.exists()


def test_a_helper_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="docker-credential-nowhere"):
        lookup(settings(tmp_path, credsStore="nowhere"), "r")


def test_the_header() -> None:
    assert header({}) == ""
    assert json.loads(urlsafe_b64decode(header({"username": "é?>"}))) == {"username": "é?>"}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidArgument, match="loading config file"):
        load({"config": str(tmp_path)})


def test_no_file(tmp_path: Path) -> None:
    assert load({"config": str(tmp_path / "none")}).detach_keys == ""
