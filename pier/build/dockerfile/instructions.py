"""From an instruction's line to its value (pure): one small function for each keyword."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from pier.build.dockerfile import ast, words
from pier.build.dockerfile.flags import FlagError, Flags, Kind, parse_flags, split_flags
from pier.build.dockerfile.healthcheck import FLAGS as HEALTH_FLAGS
from pier.build.dockerfile.healthcheck import HealthcheckError, read_times
from pier.build.dockerfile.lines import Line
from pier.build.dockerfile.mounts import MountError, check_mount
from pier.build.dockerfile.shell import quoted
from pier.build.dockerfile.space import BLANKS, strip, strip_left
from pier.build.dockerfile.suggest import did_you_mean

_STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9\-_.]*", re.ASCII)
_NOT_TRIGGERS: Final = ("FROM", "MAINTAINER", "INCLUDE")


class InstructionError(ValueError):
    """The instruction is wrong; Docker's words, without the line."""


class Parts(msgspec.Struct, frozen=True):
    """An instruction's line taken apart; ``rest`` is what follows the flags."""

    keyword: str
    flags: list[str]
    rest: str
    line: Line
    location: ast.Location
    escape: str

    @property
    def text(self) -> str:
        return strip(self.line.text)

    def read_flags(self, kinds: Mapping[str, Kind] | None = None) -> Flags:
        return parse_flags(self.flags, kinds or {})


def take_apart(line: Line, location: ast.Location, escape: str) -> Parts:
    keyword, *rest = BLANKS.split(strip(line.text), maxsplit=1)
    flags, arguments = split_flags(rest[0]) if rest else ([], "")
    return Parts(keyword, flags, strip(arguments), line, location, escape)


def build(parts: Parts) -> ast.Instruction:
    """Raises InstructionError, and WordsError where the arguments cannot be told apart."""
    builder = _BUILDERS.get(parts.keyword.lower())
    if builder is None:
        lower = parts.keyword.islower()
        known = [name if lower else name.upper() for name in [*_BUILDERS, "include"]]
        raise InstructionError(f"unknown instruction: {parts.keyword}{did_you_mean(parts.keyword, known)}")
    if "\0" in parts.line.text:
        raise InstructionError(f"{parts.keyword.upper()} has a NUL byte in its arguments")
    try:
        built = builder(parts)
    except (FlagError, HealthcheckError, MountError) as error:
        raise InstructionError(str(error)) from error
    return msgspec.structs.replace(built, comments=parts.line.comments, gap=parts.line.gap)


def _at_least_one(parts: Parts, found: object) -> None:
    if not found:
        raise InstructionError(f"{parts.keyword.upper()} requires at least one argument")


def _exactly_one(parts: Parts) -> str:
    if not parts.rest:
        raise InstructionError(f"{parts.keyword.upper()} requires exactly one argument")
    parts.read_flags()
    return parts.rest


def _from(parts: Parts) -> ast.From:
    arguments = words.plain(parts.rest)
    named = len(arguments) == 3 and arguments[1].lower() == "as"
    if len(arguments) != 1 and not named:
        raise InstructionError("FROM requires either one or three arguments")
    name = arguments[2].lower() if named else ""
    if named and not _STAGE_NAME.fullmatch(name):
        raise InstructionError(
            f"invalid name for build stage: {quoted(arguments[2])}, name can't start with a number or contain symbols"
        )
    flags = parts.read_flags({"platform": "string"})
    return ast.From(
        location=parts.location, text=parts.text, image=arguments[0], platform=flags.text("platform"), name=name
    )


def _arg(parts: Parts) -> ast.Arg:
    found = tuple(words.pair(word) for word in words.spaced(parts.rest, parts.escape))
    _at_least_one(parts, found)
    parts.read_flags()
    return ast.Arg(location=parts.location, text=parts.text, pairs=_named(parts, found))


def _env(parts: Parts) -> ast.Env:
    found, legacy = words.pairs(parts.rest, "ENV", parts.escape)
    _at_least_one(parts, found)
    parts.read_flags()
    return ast.Env(location=parts.location, text=parts.text, pairs=_named(parts, found), legacy=legacy)


def _label(parts: Parts) -> ast.Label:
    found, legacy = words.pairs(parts.rest, "LABEL", parts.escape)
    _at_least_one(parts, found)
    parts.read_flags()
    return ast.Label(location=parts.location, text=parts.text, pairs=_named(parts, found), legacy=legacy)


def _named(parts: Parts, pairs: tuple[ast.Pair, ...]) -> tuple[ast.Pair, ...]:
    if any(not pair.name for pair in pairs):
        raise InstructionError(f"{parts.keyword.upper()} names can not be blank")
    return pairs


def _command(parts: Parts, text: str) -> ast.Command:
    listed = words.json_words(text)
    if listed is not None:
        return ast.Command(listed, shell=False)
    return ast.Command((text,), shell=True, heredocs=parts.line.heredocs)


def _run(parts: Parts) -> ast.Run:
    flags = parts.read_flags({"mount": "strings", "network": "string", "security": "string"})
    command = _command(parts, parts.rest)
    _at_least_one(parts, command.words)
    for mount in flags.texts("mount"):
        check_mount(mount)
    network, security = flags.text("network"), flags.text("security")
    if "network" in flags.given and network not in ("default", "none", "host"):
        raise InstructionError(f"invalid network mode {quoted(network)}")
    if "security" in flags.given and security not in ("sandbox", "insecure"):
        raise InstructionError(f"security {quoted(security)} is not valid")
    return ast.Run(
        location=parts.location,
        text=parts.text,
        command=command,
        mounts=flags.texts("mount"),
        network=network,
        security=security,
    )


def _cmd(parts: Parts) -> ast.Cmd:
    parts.read_flags()
    return ast.Cmd(location=parts.location, text=parts.text, command=_command(parts, parts.rest))


def _entrypoint(parts: Parts) -> ast.Entrypoint:
    parts.read_flags()
    return ast.Entrypoint(location=parts.location, text=parts.text, command=_command(parts, parts.rest))


def _paths(parts: Parts) -> tuple[tuple[str, ...], str]:
    """The sources and the destination of COPY and ADD."""
    found = words.json_or_plain(parts.rest)
    if len(found) < 2:
        raise InstructionError(
            f"{parts.keyword.upper()} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    return found[:-1], found[-1]


def _copy(parts: Parts) -> ast.Copy:
    sources, dest = _paths(parts)
    flags = parts.read_flags(_TRANSFER_FLAGS | {"from": "string", "parents": "bool"})
    return ast.Copy(
        location=parts.location,
        text=parts.text,
        sources=sources,
        dest=dest,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.truth("link") or False,
        exclude=flags.texts("exclude"),
        heredocs=parts.line.heredocs,
        from_=flags.text("from"),
        parents=flags.truth("parents") or False,
    )


def _add(parts: Parts) -> ast.Add:
    sources, dest = _paths(parts)
    flags = parts.read_flags(_TRANSFER_FLAGS | {"checksum": "string", "keep-git-dir": "bool", "unpack": "bool"})
    return ast.Add(
        location=parts.location,
        text=parts.text,
        sources=sources,
        dest=dest,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.truth("link") or False,
        exclude=flags.texts("exclude"),
        heredocs=parts.line.heredocs,
        checksum=flags.text("checksum"),
        keep_git_dir=flags.truth("keep-git-dir") or False,
        unpack=flags.truth("unpack"),
    )


_TRANSFER_FLAGS: Final[dict[str, Kind]] = {"chown": "string", "chmod": "string", "link": "bool", "exclude": "strings"}


def _workdir(parts: Parts) -> ast.Workdir:
    return ast.Workdir(location=parts.location, text=parts.text, path=_exactly_one(parts))


def _user(parts: Parts) -> ast.User:
    return ast.User(location=parts.location, text=parts.text, user=_exactly_one(parts))


def _stop_signal(parts: Parts) -> ast.StopSignal:
    return ast.StopSignal(location=parts.location, text=parts.text, signal=_exactly_one(parts))


def _maintainer(parts: Parts) -> ast.Maintainer:
    return ast.Maintainer(location=parts.location, text=parts.text, name=_exactly_one(parts))


def _volume(parts: Parts) -> ast.Volume:
    found = words.json_or_plain(parts.rest)
    _at_least_one(parts, found)
    parts.read_flags()
    if any(not strip(path) for path in found):
        raise InstructionError("VOLUME specified can not be an empty string")
    return ast.Volume(location=parts.location, text=parts.text, paths=tuple(strip(path) for path in found))


def _expose(parts: Parts) -> ast.Expose:
    found = words.plain(parts.rest)
    _at_least_one(parts, found)
    parts.read_flags()
    return ast.Expose(location=parts.location, text=parts.text, ports=found)


def _shell(parts: Parts) -> ast.Shell:
    parts.read_flags()
    found = words.json_words(parts.rest)
    _at_least_one(parts, parts.rest if found is None else found)
    if found is None:
        raise InstructionError("SHELL requires the arguments to be in JSON form")
    return ast.Shell(location=parts.location, text=parts.text, words=found)


def _healthcheck(parts: Parts) -> ast.Healthcheck:
    _at_least_one(parts, parts.rest)
    kind, *rest = re.split(r"\s+", parts.rest, maxsplit=1)
    arguments = rest[0] if rest else ""
    command = _command(parts, arguments)
    if kind.upper() == "NONE":
        if arguments:
            raise InstructionError("HEALTHCHECK NONE takes no arguments")
        return ast.Healthcheck(location=parts.location, text=parts.text, command=None)
    flags = parts.read_flags(HEALTH_FLAGS)
    if kind.upper() != "CMD":
        raise InstructionError(f"Unknown type {quoted(kind.upper())} in HEALTHCHECK (try CMD)")
    if command.words in ((), ("",)):
        raise InstructionError("Missing command after HEALTHCHECK CMD")
    times = read_times(flags)
    return ast.Healthcheck(
        location=parts.location,
        text=parts.text,
        command=command,
        interval=times.interval,
        timeout=times.timeout,
        start_period=times.start_period,
        start_interval=times.start_interval,
        retries=times.retries,
    )


def _onbuild(parts: Parts) -> ast.Onbuild:
    _at_least_one(parts, parts.rest)
    inner = take_apart(msgspec.structs.replace(parts.line, text=parts.rest), parts.location, parts.escape)
    keyword = inner.keyword.upper()
    if keyword == "ONBUILD":
        raise InstructionError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if keyword in _NOT_TRIGGERS:
        raise InstructionError(f"{keyword} isn't allowed as an ONBUILD trigger")
    parts.read_flags()
    _readable(inner)
    documents = "".join(f"\n{document.content}{document.name}" for document in parts.line.heredocs)
    trigger = strip_left(parts.text[len(parts.keyword) :])
    return ast.Onbuild(location=parts.location, text=parts.text, trigger=trigger + documents)


def _readable(parts: Parts) -> None:
    """A trigger is only taken apart here; whether it is right shows when it is run, as in Docker."""
    try:
        build(parts)
    except InstructionError:
        return


_BUILDERS: Final[dict[str, Callable[[Parts], ast.Instruction]]] = {
    "add": _add,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stop_signal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
