"""Dockerfile instructions that change an image's config (``docker import -c``, ``docker commit -c``). Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from pier.errors import InvalidArgument
from pier.oci.image import ExecutionConfig, Healthcheck

_SHELL: Final = ["/bin/sh", "-c"]
_PORT: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_UNITS: Final = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_MOST_PORT: Final = 65535

Fields = dict[str, Any]


def apply_changes(config: ExecutionConfig, changes: Sequence[str]) -> ExecutionConfig:
    """``config`` after ``changes``, one instruction each.

    Raises InvalidArgument ("FOO is not a valid change command").
    """
    fields: Fields = msgspec.structs.asdict(config)
    for line in changes:
        word, _, rest = line.strip().partition(" ")
        apply = _INSTRUCTIONS.get(word.upper())
        if apply is None:
            raise InvalidArgument(f"{word} is not a valid change command")
        if not rest.strip():
            raise InvalidArgument(f"{word.upper()} requires at least one argument")
        apply(fields, rest.strip())
    return ExecutionConfig(**fields)


def _cmd(fields: Fields, rest: str) -> None:
    fields["cmd"] = _command(fields, rest)


def _entrypoint(fields: Fields, rest: str) -> None:
    fields["entrypoint"] = _command(fields, rest)


def _command(fields: Fields, rest: str) -> list[str]:
    return _json_words(rest) if _is_json(rest) else [*(fields["shell"] or _SHELL), rest]


def _is_json(rest: str) -> bool:
    if not rest.startswith("["):
        return False
    try:
        msgspec.json.decode(rest, type=list[str])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _json_words(rest: str) -> list[str]:
    return msgspec.json.decode(rest, type=list[str])


def _env(fields: Fields, rest: str) -> None:
    env = dict(entry.partition("=")[::2] for entry in fields["env"] or [])
    env.update(_pairs("ENV", rest))
    fields["env"] = [f"{name}={value}" for name, value in env.items()]


def _label(fields: Fields, rest: str) -> None:
    fields["labels"] = {**(fields["labels"] or {}), **dict(_pairs("LABEL", rest))}


def _pairs(instruction: str, rest: str) -> Iterator[tuple[str, str]]:
    """``a=b c="d e"``, or the old form ``name the whole value``."""
    words = list(_words(rest))
    if "=" not in words[0]:
        name, _, value = rest.partition(" ")
        if not value.strip():
            raise InvalidArgument(f"{instruction} must have two arguments")
        yield name, value.strip()
        return
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidArgument(f"Syntax error - can't find = in {word!r}. Must be of the form: name=value")
        yield name, value


def _words(text: str) -> Iterator[str]:
    """Words as a shell splits them; quotes and backslashes are taken away."""
    word: list[str] = []
    quote = ""
    started = escaped = False
    for char in text:
        if escaped or (quote == "'" and char != "'"):
            word.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif quote and char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
            started = True
        elif not quote and char.isspace():
            if word or started:
                yield "".join(word)
            word, started = [], False
        else:
            word.append(char)
    if word or started:
        yield "".join(word)


def _expose(fields: Fields, rest: str) -> None:
    ports = dict(fields["exposed_ports"] or {})
    for word in rest.split():
        match = _PORT.fullmatch(word)
        if match is None:
            raise InvalidArgument(f"invalid containerPort: {word}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= _MOST_PORT:
            raise InvalidArgument(f"invalid range format for --expose: {word}, error: invalid port range")
        for port in range(first, last + 1):
            ports[f"{port}/{(match[3] or 'tcp').lower()}"] = {}
    fields["exposed_ports"] = ports


def _volume(fields: Fields, rest: str) -> None:
    words = _json_words(rest) if _is_json(rest) else rest.split()
    fields["volumes"] = {**(fields["volumes"] or {}), **{word: {} for word in words}}


def _workdir(fields: Fields, rest: str) -> None:
    base = fields["working_dir"] or "/"
    fields["working_dir"] = rest if rest.startswith("/") else base.rstrip("/") + "/" + rest


def _healthcheck(fields: Fields, rest: str) -> None:
    options: Fields = {}
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        name, _, value = option[2:].partition("=")
        key = name.replace("-", "_")
        if key not in ("interval", "timeout", "start_period", "start_interval", "retries"):
            raise InvalidArgument(f"Unknown flag: {name}")
        options[key] = _count(value) if key == "retries" else _nanoseconds(value)
        rest = rest.strip()
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE":
        test = ["NONE"]
    elif kind.upper() == "CMD" and command.strip():
        command = command.strip()
        test = ["CMD", *_json_words(command)] if _is_json(command) else ["CMD-SHELL", command]
    else:
        raise InvalidArgument(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    fields["healthcheck"] = Healthcheck(test=test, **options)


def _count(text: str) -> int:
    if not text.isdigit() or len(text) > 9:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _nanoseconds(text: str) -> int:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _shell(fields: Fields, rest: str) -> None:
    if not _is_json(rest):
        raise InvalidArgument("SHELL requires the arguments to be in JSON form")
    fields["shell"] = _json_words(rest)


def _onbuild(fields: Fields, rest: str) -> None:
    if rest.split(maxsplit=1)[0].upper() in ("ONBUILD", "MAINTAINER", "FROM"):
        raise InvalidArgument(f"{rest.split(maxsplit=1)[0].upper()} isn't allowed as an ONBUILD trigger")
    fields["on_build"] = [*(fields["on_build"] or []), rest]


def _plain(key: str) -> Callable[[Fields, str], None]:
    def apply(fields: Fields, rest: str) -> None:
        fields[key] = rest

    return apply


_INSTRUCTIONS: Final[dict[str, Callable[[Fields, str], None]]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _plain("stop_signal"),
    "USER": _plain("user"),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
