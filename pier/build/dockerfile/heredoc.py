"""Here-documents (pure): finding their marks in a line, and reading them from the lines that follow.

A mark is ``<<NAME`` or ``<<-NAME``, perhaps after a file descriptor's number, as a word of its own outside of quotes.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from pier.build.dockerfile.ast import Heredoc
from pier.build.dockerfile.shell import ExpansionError, plain_words

_MARK: Final = re.compile(r"(\d*)<<(-?)([^<]*)")
_TABS: Final = re.compile(r"^\t+", re.MULTILINE)


class Mark(msgspec.Struct, frozen=True):
    """``chomp``: tabs at the beginnings of lines go (``<<-``)."""

    name: str
    expand: bool
    chomp: bool


class Unterminated(ValueError):
    """The lines ended before the here-document did."""


def marks_of(line: str) -> list[Mark]:
    """The marks of an instruction's line, in order; none in a line whose quotes do not match."""
    if "<<" not in line:
        return []
    try:
        words = plain_words(line, raw=True)
    except ExpansionError:
        return []
    return [mark for mark in map(mark_of, words) if mark]


def mark_of(word: str) -> Mark | None:
    """Raises ExpansionError where the name's quotes do not match."""
    match = _MARK.fullmatch(word)
    if not match or not match[3]:
        return None
    names = plain_words(match[3], raw=False)
    as_written = plain_words(match[3], raw=True)
    if len(names) != 1 or len(as_written) != 1:
        return None
    return Mark(name=names[0], expand=names == as_written, chomp=match[2] == "-")


def read(mark: Mark, lines: Sequence[str], begin: int) -> tuple[Heredoc, int]:
    """The document that begins at ``lines[begin]``, and the index after its end. ``lines`` keep their line ends."""
    for index in range(begin, len(lines)):
        line = lines[index].rstrip("\r\n")
        if (line.lstrip("\t") if mark.chomp else line) == mark.name:
            content = "".join(lines[begin:index])
            return Heredoc(mark.name, _TABS.sub("", content) if mark.chomp else content, mark.expand), index + 1
    raise Unterminated("unterminated heredoc")
