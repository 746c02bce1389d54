"""Splitting an instruction's arguments (pure): JSON lists, plain words, ``name=value`` words."""

import json
import re
from typing import Final

from pier.build.dockerfile.ast import Pair
from pier.build.dockerfile.shell import quoted
from pier.build.dockerfile.space import BLANKS, is_space, strip_left

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class WordsError(ValueError):
    """The arguments cannot be told apart."""


def json_words(text: str) -> tuple[str, ...] | None:
    """The strings of the JSON list that ``text`` begins with (what follows it does not count); None: there is none."""
    text = strip_left(text)
    if not text.startswith("["):
        return None
    try:
        words, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in words):
        raise WordsError("when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", word) for word in words)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def plain(text: str) -> tuple[str, ...]:
    return tuple(BLANKS.split(text)) if text else ()


def json_or_plain(text: str) -> tuple[str, ...]:
    words = json_words(text)
    return plain(text) if words is None else words


def pairs(text: str, keyword: str, escape: str) -> tuple[tuple[Pair, ...], bool]:
    """The arguments of ENV and LABEL, and whether they have the old form, ``NAME the rest``."""
    words = spaced(text, escape)
    if not words:
        return (), False
    if "=" not in words[0]:
        parts = BLANKS.split(text, maxsplit=1)
        if len(parts) < 2:
            raise WordsError(f"{keyword} must have two arguments")
        return (Pair(parts[0], parts[1]),), True
    for word in words:
        if "=" not in word:
            raise WordsError(f"Syntax error - can't find = in {quoted(word)}. Must be of the form: name=value")
    return tuple(pair(word) for word in words), False


def pair(word: str) -> Pair:
    name, equals, value = word.partition("=")
    return Pair(name, value if equals else None)


def spaced(text: str, escape: str) -> list[str]:
    """Split at spaces outside of quotes; quotes and escapes stay for the expansion."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and is_space(char):
            if word:
                words.append("".join(word))
            word = []
            continue
        if char == escape and quote != "'":
            if at == len(text):
                break  # an escape at the very end goes
            char += text[at]
            at += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
    return [*words, "".join(word)] if word else words
