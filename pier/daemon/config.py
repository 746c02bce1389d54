"""The configuration: defaults, ``daemon.json`` and flags, merged into one frozen value.

What is given both in the file and as a flag is an error, as in dockerd: nobody should have to guess
which one holds. The environment variable ``PIERD_CONFIG`` names the file where no flag does.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pier.daemon.flags import parse_flags
from pier.daemon.settings import SETTINGS, Setting
from pier.errors import InvalidArgument
from pier.log import LEVELS

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_LONGEST_INTERFACE: Final = 15
_LARGEST_MTU: Final = 65535
PROXIES: Final = ("http-proxy", "https-proxy", "no-proxy")
_DEFAULT_FILE: Final[str] = _BY_NAME["config-file"].default


@dataclass(frozen=True, slots=True)
class Config:
    """The value of every setting. ``config["data-root"]``; typed properties for what is asked often."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def root(self) -> Path:
        return Path(self["data-root"])

    @property
    def run(self) -> Path:
        return Path(self["exec-root"])

    @property
    def pidfile(self) -> Path:
        return Path(self["pidfile"] or self.run / "pierd.pid")

    @property
    def hosts(self) -> tuple[str, ...]:
        return self["hosts"] or ("unix:///run/pier.sock",)

    @property
    def log_level(self) -> str:
        return "debug" if self["debug"] else str(self["log-level"])

    @property
    def environment(self) -> dict[str, str]:
        """The process's own, with the proxies that are set here instead of its."""
        given = {name.replace("-", "_"): self[name] for name in PROXIES if self[name]}
        kept = {name: value for name, value in os.environ.items() if name.lower() not in given}
        return {**kept, **{name.upper(): value for name, value in given.items()}}

    def pairs(self, name: str) -> dict[str, str]:
        """A setting of ``key=value`` texts as a mapping."""
        return dict(text.split("=", 1) for text in self[name])


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Merge and check everything. Raises InvalidArgument with one line that names the culprit."""
    given = parse_flags(arguments)
    path = given.get("config-file") or environment.get("PIERD_CONFIG") or _DEFAULT_FILE
    explicit = "config-file" in given or "PIERD_CONFIG" in environment
    merged = {setting.name: setting.default for setting in SETTINGS}
    merged.update(_merge(path, _read_file(path, explicit), given))
    merged["config-file"] = path
    config = Config(merged)
    _check(config)
    return config


def _merge(path: str, from_file: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    both = sorted(set(from_file) & set(given))
    if both:
        pairs = (f"{name}: (from flag: {_show(given[name])}, from file: {_show(from_file[name])})" for name in both)
        raise _unusable(
            path,
            f"the following directives are specified both as a flag and in the configuration file: {', '.join(pairs)}",
        )
    return {**from_file, **given}


def _read_file(path: str, explicit: bool) -> dict[str, Any]:
    try:
        text = Path(path).read_text()
    except FileNotFoundError as error:
        if not explicit:
            return {}
        raise _unusable(path, f"open {path}: no such file or directory") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error)) from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(content, dict):
        raise _unusable(path, "a JSON object is expected")
    return _from_json(path, content)


def _from_json(path: str, content: Mapping[str, Any]) -> dict[str, Any]:
    content = _without_proxies(path, _without_builder(path, content))
    unknown = sorted(name for name in content if name not in _BY_NAME or _BY_NAME[name].flag_only)
    if unknown:
        raise _unusable(path, f"the following directives don't match any configuration option: {', '.join(unknown)}")
    result = {}
    for name, value in content.items():
        try:
            result[name] = _value(_BY_NAME[name], value)
        except ValueError as error:
            raise _unusable(path, f"{name}: {error}") from error
    return result


def _without_builder(path: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """dockerd's ``builder.gc.defaultKeepStorage`` is our ``build.cache.max``; no collection at all is refused."""
    if "builder" not in content:
        return content
    match content["builder"]:
        case {"gc": {"enabled": False}}:
            raise _unusable(path, "builder: the build cache is always collected; raise build.cache.max instead")
        case {"gc": {"defaultKeepStorage": str(kept)}}:
            given = {"build.cache.max": kept}
        case dict():
            given = {}
        case _:
            raise _unusable(path, "builder: a JSON object is expected")
    return {**given, **{name: value for name, value in content.items() if name != "builder"}}


def _without_proxies(path: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """dockerd's ``proxies`` are settings of their own here."""
    given = content.get("proxies", {})
    if not isinstance(given, dict):
        raise _unusable(path, "proxies: a JSON object is expected")
    if unknown := sorted(given.keys() - set(PROXIES)):
        raise _unusable(path, f"proxies: the following don't match any configuration option: {', '.join(unknown)}")
    return {**given, **{name: value for name, value in content.items() if name != "proxies"}}


def _value(setting: Setting, value: Any) -> Any:
    """Check one value of the file. Maps (``log-opts``, ``runtimes``, ``default-ulimits``) have dockerd's shapes."""
    if setting.many:
        return tuple(setting.parse(_word(setting, word)) for word in _words(setting, value))
    if setting.is_switch:
        if not isinstance(value, bool):
            raise ValueError(f"true or false expected, not {value!r}")
        return value
    if isinstance(setting.default, int) and isinstance(value, int) and not isinstance(value, bool):
        return value
    return setting.parse(_word(setting, value))


def _word(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{setting.kind or 'boolean'} expected, not {json.dumps(value)[:60]}")
    return value


def _words(setting: Setting, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or setting.kind not in ("map", "runtime", "ulimit"):
        raise ValueError(f"a list is expected, not {json.dumps(value)[:60]}")
    return [f"{key}={_member(setting, entry)}" for key, entry in value.items()]


def _member(setting: Setting, entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    if setting.kind == "runtime":
        return entry.get("path", "")
    return f"{entry.get('Soft', entry.get('Hard', ''))}:{entry.get('Hard', entry.get('Soft', ''))}"


def _check(config: Config) -> None:
    for setting in SETTINGS:
        if setting.fixed and config[setting.name] != setting.default:
            raise InvalidArgument(f"{setting.name}={_show(config[setting.name])} is not supported: {setting.help}")
    _check_choices(config)
    for name in ("max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts"):
        if config[name] < 1:
            raise InvalidArgument(f"invalid {name.replace('-', ' ')}: {config[name]}")
    if config["build.parallelism"] < 1:
        raise InvalidArgument(f"invalid build parallelism: {config['build.parallelism']}")
    if not 0 <= config["mtu"] <= _LARGEST_MTU:
        raise InvalidArgument(f"invalid default MTU: {config['mtu']}")
    if not 1 <= len(config["bridge"]) <= _LONGEST_INTERFACE or "/" in config["bridge"]:
        raise InvalidArgument(f"invalid bridge name ({config['bridge']}): expected 1 to 15 characters")
    for name in ("data-root", "exec-root"):
        if not Path(config[name]).is_absolute():
            raise InvalidArgument(f"--{name} must be an absolute path: {config[name]}")


def _check_choices(config: Config) -> None:
    if config["log-level"] not in LEVELS:
        raise InvalidArgument(f"invalid logging level: {config['log-level']}")
    if config["storage-driver"] not in ("overlay2", "overlay"):
        raise InvalidArgument(f"storage driver {config['storage-driver']} is not supported: use overlay2")
    if config["log-driver"] not in ("json-file", "local"):
        raise InvalidArgument(f"logger: no log driver named '{config['log-driver']}' is registered")
    if unknown := sorted(config.pairs("log-opts").keys() - {"max-size", "max-file"}):
        raise InvalidArgument(f"unknown log opt '{unknown[0]}' for {config['log-driver']} log driver")
    if config["default-cgroupns-mode"] not in ("", "host", "private"):
        raise InvalidArgument(f"invalid default cgroup namespace mode: {config['default-cgroupns-mode']}")


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + " ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unusable(path: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f"unable to configure the daemon with file {path}: {reason}")
