"""``RUN --mount=type=cache,target=/x`` (pure): the options of each type, and what Docker says of others."""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from pier.build.dockerfile.shell import quoted
from pier.build.dockerfile.suggest import did_you_mean

TYPES: Final = ("bind", "cache", "tmpfs", "secret", "ssh")
_KEYS: Final = (
    *("type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw"),
    *("required", "id", "sharing", "size", "mode", "uid", "gid", "env"),
)
_SHARING: Final = ("shared", "private", "locked")
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_FALSE: Final = ("0", "f", "F", "FALSE", "false", "False")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?", re.ASCII | re.IGNORECASE)
_UINT: Final = 2**32


class MountError(ValueError):
    """Docker's words."""


class RawMount(msgspec.Struct, frozen=True):
    """What was given; ``mode``, ``uid`` and ``gid`` are None where nothing was. ``target`` may be relative.

    ``read_only`` is the type's default where nothing was said: true for bind, secret and ssh.
    """

    type: str = "bind"
    target: str = ""
    from_: str = ""
    source: str = ""
    read_only: bool = True
    id: str = ""
    sharing: str = ""
    required: bool = False
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int = 0


def check_mount(text: str) -> None:
    """What can be told before variables are known: the commas and quotes, and ``from``."""
    for field in split_fields(text):
        key, _, value = field.partition("=")
        if key.lower() == "from" and re.search(r"\$.", value):
            raise MountError(f"'{key}' doesn't support variable expansion, define alias stage instead")


def parse_mount(text: str, expand: Callable[[str], str] = str) -> RawMount:
    """``expand`` is applied to each value. Raises MountError."""
    options = _Options()
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        options.take(field, key.lower(), expand(value) if equals else None)
    return options.checked()


def split_fields(text: str) -> list[str]:
    """One line of comma-separated values: a value in double quotes may have commas, and two quotes for one."""
    if not text:
        raise MountError("failed to parse csv mounts: EOF")
    fields: list[str] = []
    at = 0
    while True:
        if text.startswith('"', at):
            match = re.compile(r'"((?:[^"]|"")*)"(?=,|\Z)').match(text, at)
            if match is None:
                raise MountError(_bad_quote(text, at))
            fields.append(match[1].replace('""', '"'))
            at = match.end()
        else:
            end = text.find(",", at)
            field = text[at:] if end < 0 else text[at:end]
            if '"' in field:
                column = at + field.index('"') + 1
                raise MountError(_csv(column, 'bare " in non-quoted-field'))
            fields.append(field)
            at += len(field)
        if at >= len(text):
            return fields
        at += 1


def _bad_quote(text: str, at: int) -> str:
    match = re.compile(r'"(?:[^"]|"")*"').match(text, at)
    return _csv(match.end() if match else len(text) + 1, 'extraneous or missing " in quoted-field')


def _csv(column: int, what: str) -> str:
    return f"failed to parse csv mounts: parse error on line 1, column {column}: {what}"


class _Options:
    """The options as they come: later ones count, and a key is judged by the type so far."""

    def __init__(self) -> None:
        self._mount = RawMount()
        self._read_only: bool | None = None

    def take(self, field: str, key: str, value: str | None) -> None:
        if value is None and key not in ("readonly", "ro", "readwrite", "rw", "required"):
            raise MountError(f"invalid field '{field}' must be a key=value pair")
        if key in ("readonly", "ro"):
            self._read_only = _truth(key, value)
        elif key in ("readwrite", "rw"):
            self._read_only = not _truth(key, value)
        elif key == "required":
            self._only_for(key, "secret", "ssh")
            self._set(required=_truth(key, value))
        else:
            self._take_value(field, key, value or "")

    def _take_value(self, field: str, key: str, value: str) -> None:
        if key == "type":
            if value.lower() not in TYPES:
                raise MountError(f"unsupported mount type {quoted(value)}{did_you_mean(value, TYPES)}")
            self._set(type=value.lower())
        elif key == "size":
            self._only_for(key, "tmpfs")
            self._set(size=_bytes(key, value))
        elif key == "sharing":
            if value.lower() not in _SHARING:
                raise MountError(f"unsupported sharing value {quoted(value)}{did_you_mean(value, _SHARING)}")
            self._set(sharing=value.lower())
        elif key in ("mode", "uid", "gid"):
            self._set(**{key: _number(key, value, 8 if key == "mode" else 10)})
        elif key in _PLAIN:
            self._set(**{_PLAIN[key]: value})
        else:
            raise MountError(f"unexpected key '{key}' in '{field}'{did_you_mean(key, _KEYS)}")

    def checked(self) -> RawMount:
        mount = self._mount
        if mount.type not in ("cache", "secret", "ssh"):
            for key in ("mode", "uid", "gid"):
                if getattr(mount, key) is not None:
                    raise MountError(f'{key} not allowed for "{mount.type}" type mounts')
        if mount.env is not None and mount.type != "secret":
            raise MountError(f"unexpected key 'env' for mount type '{mount.type}'")
        if mount.type == "secret":
            _check_secret(mount)
        if mount.sharing and mount.type != "cache":
            raise MountError(f"invalid cache sharing set for {mount.type} mount")
        if mount.type == "ssh" and mount.source:
            raise MountError("ssh does not support source")
        read_only = mount.type not in ("cache", "tmpfs") if self._read_only is None else self._read_only
        return msgspec.structs.replace(mount, read_only=read_only)

    def _only_for(self, key: str, *types: str) -> None:
        if self._mount.type not in types:
            raise MountError(f"unexpected key '{key}' for mount type '{self._mount.type}'")

    def _set(self, **values: object) -> None:
        self._mount = msgspec.structs.replace(self._mount, **values)


_PLAIN: Final = {
    "from": "from_",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "id": "id",
    "env": "env",
}


def _check_secret(mount: RawMount) -> None:
    if mount.from_:
        raise MountError("secret mount should not have a from")
    if mount.sharing:
        raise MountError("secret mount should not define sharing")
    if not (mount.source or mount.target or mount.id):
        raise MountError("invalid secret mount. one of source, target required")
    if mount.source and mount.id:
        raise MountError("both source and id can't be set")


def _truth(key: str, value: str | None) -> bool:
    if value is None or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise MountError(f"invalid value for {key}: {value}")


def _number(key: str, text: str, base: int) -> int:
    digits = "[0-7]{1,11}" if base == 8 else "[0-9]{1,10}"
    if not re.fullmatch(digits, text) or (number := int(text, base)) >= _UINT:
        raise MountError(f"invalid value {text} for {key}")
    return number


def _bytes(key: str, text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise MountError(f"invalid value for {key}: {text}")
    return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))
