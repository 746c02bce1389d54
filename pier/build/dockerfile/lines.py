"""From the text of a Dockerfile to its instructions' lines (pure): comments gone, continuations joined."""

import re
from collections.abc import Iterator
from functools import cache

import msgspec

from pier.build.dockerfile import heredoc
from pier.build.dockerfile.ast import Heredoc
from pier.build.dockerfile.shell import ExpansionError
from pier.build.dockerfile.space import BLANKS, strip, strip_left

_WITH_HEREDOCS = frozenset({"run", "copy", "add"})


class Line(msgspec.Struct, frozen=True):
    """One instruction. ``first`` and ``last`` are counted from 1, here-documents included.

    ``comments`` stand right before it, without their ``#``. ``gap``: an empty line is among the continuations.
    """

    text: str
    first: int
    last: int
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()
    gap: bool = False


class LineError(ValueError):
    def __init__(self, message: str, first: int, last: int) -> None:
        super().__init__(message)
        self.first = first
        self.last = last


def decode(data: bytes) -> str:
    """Each byte that is not UTF-8 becomes U+FFFD, as Docker has it; a byte order mark goes."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    return re.sub("[\udc80-\udcff]", "\N{REPLACEMENT CHARACTER}", text)


def split(text: str) -> list[str]:
    """Its lines, with their ends."""
    return [line + "\n" for line in text.split("\n")[:-1]] + [last for last in [text.rpartition("\n")[2]] if last]


def read_lines(lines: list[str], escape: str) -> Iterator[Line]:
    """Raises LineError for what cannot be read: a here-document without an end."""
    at = 0
    comments: list[str] = []
    while at < len(lines):
        first, begin = at + 1, lines[at]
        if _is_comment(begin):
            comments.append(strip(strip(begin)[1:]))
            at += 1
            continue
        text, ended = _continued(strip_left(begin.rstrip("\r\n")), escape)
        at += 1
        if ended and not text:
            comments = []
            continue
        gap = False
        while not ended and at < len(lines):
            line = lines[at].rstrip("\r\n")
            at += 1
            if _is_comment(line):
                continue
            if not strip_left(line):
                gap = True
                continue
            more, ended = _continued(line, escape)
            text += more
        if strip(text):
            documents, at = _documents(text, lines, at, first)
            yield Line(text, first, at, documents, tuple(comments), gap)
        comments = []


def _documents(text: str, lines: list[str], at: int, first: int) -> tuple[tuple[Heredoc, ...], int]:
    documents: list[Heredoc] = []
    if not takes_heredocs(text):
        return (), at
    try:
        for mark in heredoc.marks_of(text):
            document, at = heredoc.read(mark, lines, at)
            documents.append(document)
    except (heredoc.Unterminated, ExpansionError) as error:
        raise LineError(str(error), first, len(lines)) from error
    return tuple(documents), at


def takes_heredocs(text: str) -> bool:
    """RUN, COPY and ADD, also as triggers, unless the arguments are a JSON list."""
    if "<<" not in text:
        return False
    keyword, _, rest = _parted(strip(text))
    if keyword.lower() == "onbuild":
        keyword, _, rest = _parted(rest)
    return keyword.lower() in _WITH_HEREDOCS


def _parted(text: str) -> tuple[str, str, str]:
    parts = BLANKS.split(text, maxsplit=1)
    return parts[0], " ", strip(parts[1]) if len(parts) > 1 else ""


def _is_comment(line: str) -> bool:
    return strip_left(line).startswith("#")


def _continued(line: str, escape: str) -> tuple[str, bool]:
    """The line without its continuation mark, and whether it ends the instruction."""
    match = _continuation(escape).search(line)
    return (line, True) if match is None else (line[: match.start()] + (match[1] or ""), False)


@cache
def _continuation(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(rf"([^{mark}]){mark}[ \t]*\Z|\A{mark}[ \t]*\Z")
