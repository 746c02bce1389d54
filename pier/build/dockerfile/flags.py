"""The ``--flags`` of instructions (pure)."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from pier.build.dockerfile.space import is_space
from pier.build.dockerfile.suggest import did_you_mean

Kind = Literal["bool", "string", "strings"]

_NO_FLAGS: Final[dict[str, list[str]]] = {}


class FlagError(ValueError):
    """A flag that the instruction has not, or not so."""


class Flags(msgspec.Struct, frozen=True):
    """What was given, by name; several values only for those that may come several times."""

    given: dict[str, list[str]] = _NO_FLAGS

    def text(self, name: str) -> str:
        return self.given.get(name, [""])[-1]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self.given.get(name, ()))

    def truth(self, name: str) -> bool | None:
        """None where nothing was said."""
        return self.text(name) == "true" if name in self.given else None


def split_flags(text: str) -> tuple[list[str], str]:
    """The words at the beginning that start with ``--``, less their quotes, and the rest. ``--`` alone ends them."""
    words: list[str] = []
    at = 0
    while True:
        while at < len(text) and is_space(text[at]):
            at += 1
        if not text.startswith("--", at):
            return words, text[at:]
        word, at = _word(text, at)
        if word == "--" and at < len(text):
            return words, text[at:]
        if word != "--":
            words.append(word)


def _word(text: str, at: int) -> tuple[str, int]:
    """The word at ``at``, quotes and escapes resolved, and where it ends. The escape is always a backslash."""
    word: list[str] = []
    quote = ""
    while at < len(text):
        char = text[at]
        if not quote and is_space(char):
            break
        at += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == "\\":
            word.append(text[at : at + 1])
            at += 1
        else:
            word.append(char)
    return "".join(word), min(at, len(text))


def parse_flags(words: Iterable[str], kinds: Mapping[str, Kind]) -> Flags:
    """``kinds`` are those that the instruction has."""
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word[2:].partition("=")
        kind = kinds.get(name)
        if kind is None:
            raise FlagError(f"unknown flag: {name}{did_you_mean(name, kinds)}")
        if name in given and kind != "strings":
            raise FlagError(f"duplicate flag specified: {name}")
        if (not equals and kind != "bool") or (equals and not value and kind == "bool"):
            raise FlagError(f"missing a value on flag: {name}")
        given.setdefault(name, []).append(_truth(name, value) if kind == "bool" else value)
    return Flags(given)


def _truth(name: str, value: str) -> str:
    truth = value.lower() or "true"
    if truth not in ("true", "false"):
        raise FlagError(f"expecting boolean value for flag {name}, not: {value}")
    return truth
