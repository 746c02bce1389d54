"""Where the registry's settings come from, and what is refused."""

from pathlib import Path

import pytest

from pier.errors import InvalidArgument
from pier.registry.configuration import FIELDS, load
from pier.registry.reference import table


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text('root = "/file"\nlease = 7\nlisten = ["a:1", "b:2"]\nredirect = true\n')
    environment = {"PIER_REGISTRY_CONFIG": str(file), "PIER_REGISTRY_ROOT": "/variable", "PIER_REGISTRY_LEASE": "8"}
    found = load(["--root", "/flag"], {**environment, "HOME": "/"})
    assert (found.root, found.lease, found.listen, found.redirect) == ("/flag", 8, ("a:1", "b:2"), True)


def test_lists_and_switches() -> None:
    found = load(["--listen=a:1", "--listen", "b:2,c:3", "--redirect"], {"PIER_REGISTRY_ACCESS_LOG": "0"})
    assert (found.listen, found.redirect, found.access_log) == (("a:1", "b:2", "c:3"), True, False)


@pytest.mark.parametrize(
    ("words", "environment", "content", "message"),
    [
        (["--speed=9"], {}, "", "unknown flag: --speed"),
        (["--root"], {}, "", "flag needs an argument: --root"),
        (["now"], {}, "", "unexpected argument: now"),
        (["--lease=soon"], {}, "", "--lease: 'soon' is no int"),
        (["--lease=0"], {}, "", "settings: Expected `int` >= 1 - at `$.lease`"),
        ([], {"PIER_REGISTRY_LISTENS": "x"}, "", "did you mean PIER_REGISTRY_LISTEN?"),
        ([], {}, "lisen = 1", "unknown setting: lisen (did you mean listen?)"),
        ([], {}, 'lease = "x"', "settings: Expected `int`, got `str` - at `$.lease`"),
        ([], {}, "lease", "cannot read the settings"),
        (["--config=/nowhere/x.toml"], {}, "", "cannot read the settings /nowhere/x.toml: no such file"),
    ],
)
def test_what_is_refused(
    words: list[str], environment: dict[str, str], content: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(content)
    with pytest.raises(InvalidArgument) as caught:
        load(words, {"PIER_REGISTRY_CONFIG": str(file), **environment})
    assert message in caught.value.message


def test_every_setting_says_what_it_is_for() -> None:
    assert [field.name for field in FIELDS.values() if not field.help] == []


def test_the_manual_has_them_all() -> None:
    """``python -m pier.registry.reference`` prints the table."""
    assert table() in (Path(__file__).resolve().parents[3] / "docs/user/registry.md").read_text()


def test_no_secret_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(
        """
        database = "postgresql://me:hidden@db/registry"
        storage = "s3://bucket/prefix?secret_key=hidden"
        webhook = [{name = "chat", url = "https://chat.example/hidden", secret = "hidden"}]
        upstream = [{name = "hub", url = "https://docker.io", username = "me", password = "hidden"}]

        [[replication]]
        name = "copy"
        direction = "push"
        remote = {url = "https://x", username = "me", password = "hidden"}

        [[build]]
        name = "app"
        repository = "https://git.example/app.git"
        image = "team/app"
        secret = "hidden"
        git_password = "hidden"
        args = {TOKEN = "hidden"}
        bases = [{registry = "ghcr.io", username = "me", password = "hidden"}]
        """
    )
    found = load([], {"PIER_REGISTRY_CONFIG": str(file)})
    assert found.build[0].bases[0].password == found.replication[0].remote.password == "hidden"
    assert "ghcr.io" in repr(found)
    assert "hidden" not in repr(found)
