"""Registry credentials: the file, helpers, and the header that the daemon gets."""

import json
import os
from base64 import b64encode, urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pier.cli import helpers
from pier.cli.config import Settings, load
from pier.cli.credentials import HUB, erase, header, host_of, key_of, lookup, store, usable
from pier.cli.helpers import HelperFailed
from pier.errors import InvalidArgument

HELPER = Path(__file__).parents[2] / "compat" / "credentialhelper.py"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real credential helper ``test``, which can be told to misbehave."""
    folder = tmp_path / "helper"
    folder.mkdir()
    (folder / "docker-credential-test").symlink_to(HELPER)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CREDENTIAL_HELPER", str(folder))
    return folder


def settings(tmp_path: Path, **raw: object) -> Settings:
    """Of a file with ``raw`` in it."""
    (tmp_path / "config.json").write_text(json.dumps(raw))
    return load({"config": str(tmp_path)})


def test_keys() -> None:
    assert [key_of(domain) for domain in ("docker.io", "", "index.docker.io", "localhost:5000")] == [
        HUB,
        HUB,
        HUB,
        "localhost:5000",
    ]


@pytest.mark.parametrize("address", ["r:1", "https://r:1", "http://r:1/", "r:1/v2/", "https://r:1/v1/"])
def test_hosts(address: str) -> None:
    assert host_of(address) == "r:1"


def test_kept_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"psFormat": "x", "credHelpers": null}')
    kept = load({"config": str(tmp_path)})
    assert store(kept, "r:5000", {"username": "me", "password": "a:b"})
    again = load({"config": str(tmp_path)})
    assert lookup(again, "r:5000") == {"serveraddress": "r:5000", "username": "me", "password": "a:b"}
    assert again.format("psFormat") == "x"
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert not store(again, "r:5000", {"username": "me", "password": "a:b"}), "nothing new: nothing to warn of"
    erase(again, "r:5000")
    assert lookup(load({"config": str(tmp_path)}), "r:5000") == {}
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_link_to_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "mine.json").write_text("{}")
    (tmp_path / "config.json").symlink_to("real/mine.json")
    store(load({"config": str(tmp_path)}), "r", {"username": "me", "password": "pw"})
    assert (tmp_path / "config.json").is_symlink()
    assert "r" in json.loads((tmp_path / "real" / "mine.json").read_text())["auths"]


def test_what_another_client_wrote_meanwhile_stays(tmp_path: Path) -> None:
    early = load({"config": str(tmp_path)})
    store(load({"config": str(tmp_path)}), "other", {"username": "me", "password": "pw"})
    store(early, "r", {"username": "me", "password": "pw"})
    assert sorted(load({"config": str(tmp_path)}).auths) == ["other", "r"]


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    def log_in(number: int) -> None:
        store(load({"config": str(tmp_path)}), f"r{number}", {"username": "me", "password": "pw"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log_in, range(40)))
    assert len(load({"config": str(tmp_path)}).auths) == 40


def test_identity_tokens(tmp_path: Path) -> None:
    kept = settings(tmp_path)
    assert not store(kept, "r", {"username": "me", "password": "", "identitytoken": "tok"})
    assert lookup(kept, "r") == {"serveraddress": "r", "username": "me", "password": "", "identitytoken": "tok"}


def test_registry_tokens_go_on_as_they_are(tmp_path: Path) -> None:
    kept = settings(tmp_path, auths={"r": {"registrytoken": "tok"}, "empty": {}})
    assert lookup(kept, "r") == {"serveraddress": "r", "registrytoken": "tok"}
    assert lookup(kept, "empty") == {}


def test_names_and_passwords_may_be_written_plainly(tmp_path: Path) -> None:
    kept = settings(tmp_path, auths={"r": {"username": "me", "password": "pw", "email": "me@r"}})
    assert lookup(kept, "r") == {"serveraddress": "r", "username": "me", "password": "pw"}


NO_ENTRIES = [{"auth": "%%%"}, {"auth": b64encode(b"\xff\xfe").decode()}, {"auth": 5}, {"identitytoken": ["t"]}, "x", 7]


@pytest.mark.parametrize("entry", NO_ENTRIES, ids=str)
def test_an_entry_that_is_none(entry: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="the stored credentials of r are not valid"):
        lookup(settings(tmp_path, auths={"r": entry}), "r")
    assert usable(settings(tmp_path, auths={"r": entry}), "r") == {}
    kept = settings(tmp_path, auths={"r": entry})
    store(kept, "r", {"username": "me", "password": "pw"})
    assert lookup(kept, "r")["username"] == "me", "logging in again mends it"


@pytest.mark.parametrize("name", ["r", "https://r", "http://r", "https://r/", "https://r/v2/"])
def test_spellings_of_a_registry(name: str, tmp_path: Path) -> None:
    auth = b64encode(b"me:pw").decode()
    assert lookup(settings(tmp_path, auths={name: {"auth": auth}}), "r")["username"] == "me"


def test_helpers(tmp_path: Path, helper: Path) -> None:
    kept = settings(tmp_path, credsStore="test")
    assert not store(kept, "known", {"username": "u", "password": "sekret"})
    assert not store(kept, "token", {"username": "u", "password": "", "identitytoken": "t"})
    assert lookup(kept, "known") == {"serveraddress": "known", "username": "u", "password": "sekret"}
    assert lookup(kept, "token") == {"serveraddress": "token", "identitytoken": "t"}
    assert lookup(kept, "unknown") == {}
    erase(kept, "known")
    assert lookup(kept, "known") == {}
    told = (helper / "calls").read_text().splitlines()
    assert told[0] == "store known" and "erase https://known" in told
    assert json.loads((tmp_path / "config.json").read_text()) == {"auths": {"token": {}}, "credsStore": "test"}


def test_a_helper_of_one_registry(tmp_path: Path, helper: Path) -> None:
    kept = settings(tmp_path, credHelpers={"r": "test"})
    assert not store(kept, "r", {"username": "u", "password": "p"})
    assert store(kept, "other", {"username": "u", "password": "p"})
    assert (helper / "calls").read_text() == "store r\n"


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        ("fail", "error getting credentials - err: exit status 1, out: `out of order`"),
        ("silent", "error getting credentials - err: exit status 3, out: ``"),
        ("killed", "error getting credentials - err: signal: killed, out: ``"),
        ("garbage", "error getting credentials - err: docker-credential-test did not answer with JSON, out: ``"),
        (
            "kinds",
            "error getting credentials - err: docker-credential-test answered with what is no user name and secret, "
            "out: ``",
        ),
    ],
)
def test_a_helper_that_fails(behave: str, message: str, tmp_path: Path, helper: Path) -> None:
    (helper / "behave").write_text(behave)
    kept = settings(tmp_path, credsStore="test")
    with pytest.raises(HelperFailed) as caught:
        lookup(kept, "r")
    assert str(caught.value) == message
    assert usable(kept, "r") == {}


def test_an_error_hides_the_secret(tmp_path: Path, helper: Path) -> None:
    (helper / "behave").write_text("echo")
    with pytest.raises(HelperFailed, match="error storing credentials - err: exit status 1") as caught:
        store(settings(tmp_path, credsStore="test"), "r", {"username": "u", "password": "sekret"})
    assert "sekret" not in str(caught.value)
    assert "auths" not in json.loads((tmp_path / "config.json").read_text())


def test_a_helper_that_hangs(
    tmp_path: Path, helper: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(helpers, "SAY_SO", 0.05)
    monkeypatch.setattr(helpers, "GIVE_UP", 0.3)
    (helper / "behave").write_text("hang")
    with pytest.raises(HelperFailed, match=r"docker-credential-test did not answer within 0\.3 s"):
        lookup(settings(tmp_path, credsStore="test"), "r")
    assert capsys.readouterr().err == "Waiting for docker-credential-test get...\n"


def test_a_helper_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(HelperFailed, match='exec: "docker-credential-nowhere": executable file not found in'):
        lookup(settings(tmp_path, credsStore="nowhere"), "r")


def test_the_header() -> None:
    assert header({}) == ""
    assert json.loads(urlsafe_b64decode(header({"username": "é?>"}))) == {"username": "é?>"}


BROKEN = ["{", "[]", '{"auths": [1]}', '{"auths": "x"}', '{"credHelpers": ["x"]}', '{"credsStore": 5}']


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidArgument, match="loading config file"):
        load({"config": str(tmp_path)})


def test_no_file(tmp_path: Path) -> None:
    assert load({"config": str(tmp_path / "none")}).detach_keys == ""
