"""The command line as pflag reads it: ``-it``, ``-p8080:80``, ``--flag=value``, ``--rm=false``, ``--``."""

from __future__ import annotations

from pier.cli.command import Flag, HelpWanted
from pier.cli.values import add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class FlagError(Exception):
    """A flag is unknown, lacks its value or has a bad one."""


class Parsed:
    """``values`` holds only the flags that were given, by their full names."""

    __slots__ = ("args", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.args: list[str] = []


def parse_flags(flags: Sequence[Flag], argv: Sequence[str], interspersed: bool) -> Parsed:
    """Split ``argv`` into flags and arguments. With ``interspersed`` false the first argument ends the flags.

    Raises :class:`FlagError`, :class:`~pier.cli.command.HelpWanted`.
    """
    long_names = {flag.name: flag for flag in flags}
    short_names = {flag.short: flag for flag in flags if flag.short}
    parsed = Parsed()
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if word == "--":
            parsed.args += argv[position:]
            break
        if len(word) < 2 or word[0] != "-":
            parsed.args.append(word)
            if not interspersed:
                parsed.args += argv[position:]
                break
        elif word[1] == "-":
            position = _long(long_names, word, argv, position, parsed)
        else:
            position = _shorts(short_names, word, argv, position, parsed)
    return parsed


def _long(names: dict[str, Flag], word: str, argv: Sequence[str], position: int, parsed: Parsed) -> int:
    name, equals, value = word[2:].partition("=")
    if not name or name[0] in "-=":
        raise FlagError(f"bad flag syntax: {word}")
    flag = names.get(name)
    if flag is None:
        if name == "help":
            raise HelpWanted
        raise FlagError(f"unknown flag: --{name}")
    if not equals:
        if flag.kind == "bool":
            value = "true"
        elif position < len(argv):
            value = argv[position]
            position += 1
        else:
            raise FlagError(f"flag needs an argument: {word}")
    _set(flag, value, parsed)
    return position


def _shorts(names: dict[str, Flag], word: str, argv: Sequence[str], position: int, parsed: Parsed) -> int:
    letters = word[1:]
    while letters:
        flag = names.get(letters[0])
        if flag is None:
            if letters[0] == "h":
                raise HelpWanted
            raise FlagError(f"unknown shorthand flag: '{letters[0]}' in -{letters}")
        rest = letters[1:]
        if rest.startswith("=") and len(rest) > 1:
            _set(flag, rest[1:], parsed)
            return position
        if flag.kind == "bool":
            _set(flag, "true", parsed)
            letters = rest
            continue
        if rest:
            _set(flag, rest, parsed)
            return position
        if position >= len(argv):
            raise FlagError(f"flag needs an argument: '{letters[0]}' in -{letters}")
        _set(flag, argv[position], parsed)
        return position + 1
    return position


def _set(flag: Flag, text: str, parsed: Parsed) -> None:
    try:
        add(parsed.values, flag.same_as or flag.name, flag.kind, text)
    except ValueError as error:
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        raise FlagError(f"invalid argument {quoted} for {chr(34)}{flag.shown}{chr(34)} flag: {error}") from None
