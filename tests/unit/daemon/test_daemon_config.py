"""Flags, daemon.json, and both together."""

import json
from pathlib import Path

import pytest

from pier.daemon.config import Config, load
from pier.daemon.help import usage
from pier.daemon.settings import SETTINGS
from pier.daemon.values import by_host
from pier.errors import InvalidArgument


def configured(*arguments: str) -> Config:
    return load(arguments, {})


def refusal(*arguments: str) -> str:
    with pytest.raises(InvalidArgument) as caught:
        configured(*arguments)
    return caught.value.message


def written(folder: Path, content: object) -> str:
    path = folder / "daemon.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_without_anything_there_are_defaults() -> None:
    config = configured()
    assert config.root == Path("/var/lib/pier")
    assert config.pidfile == Path("/run/pier/pierd.pid")
    assert config.hosts == ("unix:///run/pier.sock",)
    assert config.log_level == "info"


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--data-root", "/x"], "data-root", "/x"),
        (["--data-root=/x"], "data-root", "/x"),
        (["-H", "unix:///a", "--host=unix:///b"], "hosts", ("unix:///a", "unix:///b")),
        (["-Hunix:///a"], "hosts", ("unix:///a",)),
        (["-D"], "debug", True),
        (["--debug=false"], "debug", False),
        (["-Dl", "warn"], "log-level", "warn"),
        (["-l=error"], "log-level", "error"),
        (["--mtu", "1400"], "mtu", 1400),
        (["--bip", "10.1.2.1/24"], "bip", "10.1.2.1/24"),
        (["--dns", "1.1.1.1", "--dns", "::1"], "dns", ("1.1.1.1", "::1")),
        (["--default-shm-size", "128m"], "default-shm-size", 128 << 20),
        (["--default-ulimit", "nofile=1024"], "default-ulimits", ("nofile=1024:1024",)),
        (["--log-opt", "max-size=1m"], "log-opts", ("max-size=1m",)),
        (["--insecure-registry", "a:1"], "insecure-registries", ("a:1",)),
        (["--insecure-registry", "http://a:1"], "insecure-registries", ("a:1",)),
        (["--insecure-registry", "HTTPS://a"], "insecure-registries", ("a",)),
        (["--insecure-registry", "[::1]:5000"], "insecure-registries", ("[::1]:5000",)),
        (["--insecure-registry", "10.1.2.3/8"], "insecure-registries", ("10.0.0.0/8",)),
        (["--insecure-registry", "fe80::/10"], "insecure-registries", ("fe80::/10",)),
        (["--registry-mirror", "index.docker.io=https://m"], "registry-mirrors", ("https://m",)),
        (["--registry-mirror", "https://m"], "registry-mirrors", ("https://m",)),
        (["--registry-mirror", "ghcr.io=http://m:5000/ghcr"], "registry-mirrors", ("ghcr.io=http://m:5000/ghcr",)),
    ],
)
def test_flags_are_read_as_pflag_does(arguments: list[str], name: str, value: object) -> None:
    assert configured(*arguments)[name] == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-Dz"], "unknown shorthand flag: 'z' in -Dz"),
        (["--data-root"], "flag needs an argument: --data-root"),
        (["-H"], "flag needs an argument: 'H' in -H"),
        (
            ["--debug=maybe"],
            'invalid argument "maybe" for "-D, --debug" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (["--mtu", "x"], 'invalid argument "x" for "--mtu" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--label", "a"], 'invalid argument "a" for "--label" flag: bad attribute format: a'),
        (
            ["--dns", "1.2"],
            'invalid argument "1.2" for "--dns" flag: invalid string being converted to IP address: 1.2',
        ),
        (["--default-ulimit", "x=1"], 'invalid argument "x=1" for "--default-ulimit" flag: invalid ulimit type: x'),
        *(
            (
                [f"--registry-mirror={url}"],
                f'invalid argument "{url}" for "--registry-mirror" flag: invalid mirror: {why}',
            )
            for url, why in (
                ("m", 'unsupported scheme "" in "m"'),
                ("ghcr.io=ftp://m", 'unsupported scheme "ftp" in "ftp://m"'),
                ("https://m?x=1", 'query or fragment at end of the URI "https://m?x=1"'),
                ("https://", '"https://" is not a valid URI: it names no host'),
                ("=https://m", 'no registry is named before "=https://m"'),
                ("https://m:x", "\"https://m:x\" is not a valid URI: Port could not be cast to integer value as 'x'"),
            )
        ),
        *(
            (
                [f"--insecure-registry={name}"],
                f'invalid argument "{name}" for "--insecure-registry" flag: insecure registry {name} {why}',
            )
            for name, why in (
                ("a/b", 'is not valid: invalid host "a/b"'),
                ("10.0.0.0/99", 'is not valid: invalid host "10.0.0.0/99"'),
                ("a:99999", 'is not valid: invalid port "99999"'),
                ("a b", 'is not valid: invalid host "a b"'),
                ("me@a", 'is not valid: invalid host "me@a"'),
                ("ftp://a", "should not contain '://'"),
            )
        ),
        (["extra"], '"pierd" accepts no arguments.'),
        (["--log-level", "loud"], "invalid logging level: loud"),
        (["--max-concurrent-downloads", "0"], "invalid max concurrent downloads: 0"),
        (["--icc=false"], "icc=false is not supported: Let containers of the default network reach each other"),
        (["--log-driver", "syslog"], "logger: no log driver named 'syslog' is registered"),
        (["--log-opt", "mode=x"], "unknown log opt 'mode' for json-file log driver"),
        (
            ["-b", "a-name-that-is-too-long"],
            "invalid bridge name (a-name-that-is-too-long): expected 1 to 15 characters",
        ),
        (["--data-root", "relative"], "--data-root must be an absolute path: relative"),
    ],
)
def test_wrong_flags_say_what_is_wrong(arguments: list[str], message: str) -> None:
    assert refusal(*arguments) == message


def test_containerd_is_refused_with_the_reason() -> None:
    assert "there is no containerd" in refusal("--containerd=/run/x.sock")


def test_the_file_is_read(tmp_path: Path) -> None:
    content = {
        "debug": True,
        "mtu": 1400,
        "labels": ["a=b"],
        "log-opts": {"max-size": "5m"},
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 10, "Hard": 20}},
        "runtimes": {"other": {"path": "/usr/bin/other"}},
        "default-shm-size": "32M",
    }
    config = configured("--config-file", written(tmp_path, content))
    assert config.log_level == "debug"
    assert config["mtu"] == 1400
    assert config["labels"] == ("a=b",)
    assert config.pairs("log-opts") == {"max-size": "5m"}
    assert config["default-ulimits"] == ("nofile=10:20",)
    assert config.pairs("runtimes") == {"other": "/usr/bin/other"}
    assert config["default-shm-size"] == 32 << 20


def test_proxies_are_read_from_the_file_and_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other")
    monkeypatch.setenv("https_proxy", "http://another")
    monkeypatch.setenv("HTTP_PROXY", "http://kept")
    content = {"proxies": {"https-proxy": "http://p:3128", "no-proxy": "a,b"}}
    environment = configured("--config-file", written(tmp_path, content)).environment
    assert environment["HTTPS_PROXY"] == "http://p:3128"
    assert environment["NO_PROXY"] == "a,b"
    assert environment["HTTP_PROXY"] == "http://kept"
    assert "https_proxy" not in environment


def test_mirrors_are_sorted_by_what_they_mirror() -> None:
    given = ("https://a", "ghcr.io=https://b/x", "https://c", "ghcr.io=https://me:pass=word@d", "https://me:a=b@e")
    assert by_host(given) == {
        "docker.io": ("https://a", "https://c", "https://me:a=b@e"),
        "ghcr.io": ("https://b/x", "https://me:pass=word@d"),
    }


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    assert load([], {"PIERD_CONFIG": written(tmp_path, {"mtu": 9000})})["mtu"] == 9000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"debu": True}, "the following directives don't match any configuration option: debu"),
        ({"version": True}, "the following directives don't match any configuration option: version"),
        ({"debug": 3}, "debug: true or false expected, not 3"),
        ({"mtu": "x"}, 'mtu: strconv.ParseInt: parsing "x": invalid syntax'),
        ({"mtu": [1]}, "mtu: int expected, not [1]"),
        ({"proxies": {"ftp-proxy": "x"}}, "proxies: the following don't match any configuration option: ftp-proxy"),
        ({"proxies": "x"}, "proxies: a JSON object is expected"),
        ({"labels": "a=b"}, 'labels: a list is expected, not "a=b"'),
        ({"labels": ["a"]}, "labels: bad attribute format: a"),
        (
            {"registry-mirrors": ["https://me:hidden@m:99999"]},
            'registry-mirrors: invalid mirror: "https://m:99999" is not a valid URI: Port out of range 0-65535',
        ),
        (
            {"insecure-registries": ["10.0.0.0/99"]},
            'insecure-registries: insecure registry 10.0.0.0/99 is not valid: invalid host "10.0.0.0/99"',
        ),
        ([], "a JSON object is expected"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, content: object, reason: str) -> None:
    path = written(tmp_path, content)
    assert refusal("--config-file", path) == f"unable to configure the daemon with file {path}: {reason}"


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    assert refusal("--config-file", str(path)).endswith(f"open {path}: no such file or directory")


def test_what_is_in_the_file_and_a_flag_is_a_conflict(tmp_path: Path) -> None:
    path = written(tmp_path, {"debug": True, "mtu": 1400, "labels": ["a=b"]})
    assert refusal("--config-file", path, "--label", "c=d", "--mtu", "1300", "-D") == (
        f"unable to configure the daemon with file {path}: the following directives are specified both as a flag "
        "and in the configuration file: debug: (from flag: true, from file: true), "
        "labels: (from flag: [c=d], from file: [a=b]), mtu: (from flag: 1300, from file: 1400)"
    )


def test_no_two_settings_share_a_flag() -> None:
    longs = [setting.long for setting in SETTINGS]
    shorts = [setting.short for setting in SETTINGS if setting.short]
    assert len(set(longs)) == len(longs)
    assert len(set(shorts)) == len(shorts)


def test_the_help_has_every_flag_and_fits_a_terminal() -> None:
    text = usage()
    assert all(f"--{setting.long}" in text for setting in SETTINGS)
    assert max(map(len, text.splitlines())) <= 80
