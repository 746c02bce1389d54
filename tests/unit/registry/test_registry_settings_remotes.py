"""What the settings say of other registries: mistakes are told in words, with their place."""

from pathlib import Path

import pytest

from pier.errors import InvalidArgument
from pier.registry.configuration import load
from pier.registry.settings import Settings

UPSTREAM = '[[upstream]]\nname = "hub"\nurl = "https://x"\n'
REPLICATION = '[[replication]]\nname = "m"\ndirection = "pull"\nremote = { url = "https://x" }\n'


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "registry.toml"
    file.write_text(text)
    return load(["--config", str(file)], {})


@pytest.mark.parametrize(
    "url",
    [
        "x.example",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x:99999",
        "https://x:port",
        "https://[::1",
        "https://x/?a",
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    for text in (UPSTREAM, REPLICATION):
        with pytest.raises(InvalidArgument, match=r"the url has to be http\(s\)://HOST.* - at `\$\.") as caught:
            loaded(tmp_path, text.replace("https://x", url))
        assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://x", "https://x:5000/", "https://x/a/b", "http://127.0.0.1:80", "https://[::1]:5000"]
)
def test_addresses(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, UPSTREAM.replace("https://x", url)).upstream[0].url == url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (UPSTREAM.replace("hub", "Hub"), "the name 'Hub' cannot be the first part of a repository's name"),
        (UPSTREAM.replace("hub", "a/b"), "the name 'a/b' cannot be"),
        (UPSTREAM.replace("hub", "x" * 65), "cannot be the first part"),
        (UPSTREAM + 'password = "y"', "there is a password, but no username"),
        (UPSTREAM + 'password_file = "y"', "there is a password, but no username"),
        (REPLICATION + 'at = "25:00"', "at has to be a time of day, from 00:00 to 23:59, and is '25:00'"),
        (REPLICATION + 'at = "3:00"', "at has to be a time of day"),
        (REPLICATION + 'prefix = "/x"', "the prefix '/x' cannot begin a repository's name"),
        (REPLICATION + 'prefix = "Copies/"', "the prefix 'Copies/' cannot begin"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        loaded(tmp_path, text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "more", ['prefix = "copies/"', 'prefix = "copy-of-"', 'at = "23:59"', 'prefix = ""', 'at = ""']
)
def test_what_is_meant(tmp_path: Path, more: str) -> None:
    assert loaded(tmp_path, REPLICATION + more).replication[0].name == "m"
