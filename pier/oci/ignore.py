"""``.dockerignore``: its lines, and what they leave out, exactly as Docker has it (pure; the standard library alone).

Patterns are asked in their order; the last that matches a path, or a folder above it, decides, and ``!`` takes back in.
``*`` and ``?`` stop at ``/``, ``**`` does not. As in BuildKit, a ``!`` pattern that a folder did not need (nothing had
left the folder out) does not count for what is in it, unless it matches that itself: ``a/b`` then ``!a`` leaves ``a/b``
out.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import Final

from pier.errors import InvalidArgument
from pier.oci.wildcards import joined, split

_SPACE: Final = " \t\n\v\f\r\x85\xa0"
_BAD: Final = "syntax error in pattern"
_LONGEST: Final = 4096  # PATH_MAX


def parse_ignore(data: bytes) -> tuple[str, ...]:
    """The patterns of a ``.dockerignore``, cleaned: relative, without comments. For :class:`Matcher`."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    patterns = []
    for line in text.split("\n"):
        pattern = line.strip(_SPACE)
        if line.startswith("#") or not pattern:
            continue
        mark = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip(_SPACE)
        if pattern:
            pattern = _clean(pattern)
            pattern = pattern[1:] if len(pattern) > 1 and pattern.startswith("/") else pattern
        patterns.append(mark + pattern)
    return tuple(patterns)


class Matcher:
    """Paths are relative, with ``/``, without one at the end. Raises InvalidArgument for a pattern that is none.

    What was found for folders is kept, so ask one matcher for all of a tree.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        texts = [text for text in map(_cleaned, patterns) if text]
        try:
            self._patterns = [_Pattern(text) for text in texts]
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid excludepatterns: [{' '.join(texts)}]: {error}") from error
        self._exceptions = [pattern for pattern in self._patterns if pattern.exception]
        self._any = _Union(self._patterns)
        nothing = (False,) * len(self._patterns)
        self._folders: dict[str, tuple[bool, tuple[bool, ...]]] = {"": (False, nothing)}

    def __bool__(self) -> bool:
        """Whether there are patterns at all."""
        return bool(self._patterns)

    def excludes(self, path: str, is_dir: bool = False) -> bool:
        """Whether the path is left out, by itself or with a folder above it; not one longer than any file's can be."""
        if len(path) >= _LONGEST:
            return False
        above = self._folder(path.rpartition("/")[0])
        if not self._any.matches(path):
            return above[0]
        return self._decide(path, above[1])[0]

    def may_contain_included(self, folder: str) -> bool:
        """Whether something below ``folder``, which is left out, may be taken back in."""
        return any(pattern.may_match_below(folder) for pattern in self._exceptions)

    def _folder(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        """Whether a folder is left out, and which patterns matched it or what is above it."""
        unknown: list[str] = []
        while (known := self._folders.get(path)) is None:
            unknown.append(path)
            path = path.rpartition("/")[0]
        for folder in reversed(unknown):
            known = self._decide(folder, known[1]) if self._any.matches(folder) else known
            self._folders[folder] = known
        return known

    def _decide(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        excluded = False
        matches = []
        for pattern, matched in zip(self._patterns, above, strict=True):
            if not matched and pattern.exception == excluded:
                matched = pattern.matches(path)
            matches.append(matched)
            if matched:
                excluded = not pattern.exception
        return excluded, tuple(matches)


class _Pattern:
    """One pattern in one of four kinds: a plain path, a beginning, an ending, an expression."""

    def __init__(self, text: str) -> None:
        self.exception = text.startswith("!")
        self.text = text.removeprefix("!")
        if not self.text:
            raise InvalidArgument('illegal exclusion pattern: "!"')
        _check(self.text)
        self.kind, expression = _translate(self.text)
        try:
            self.expression = re.compile(_bounded(expression)) if self.kind == "expression" else None
        except re.error as error:
            raise InvalidArgument(_BAD) from error

    @property
    def ending(self) -> str:
        return self.text[2:]

    @property
    def beginning(self) -> str:
        return self.text[:-2]

    def matches(self, path: str) -> bool:
        if self.expression is not None:
            return self.expression.match(path) is not None
        if self.kind == "ending":
            return path.endswith(self.ending) or (self.ending.startswith("/") and path == self.ending[1:])
        return path.startswith(self.beginning) if self.kind == "beginning" else path == self.text

    def may_match_below(self, folder: str) -> bool:
        """False only where it surely cannot."""
        parts, folders = self.text.split("/"), folder.split("/")
        for part, name in zip(parts, folders, strict=False):
            if "**" in part or "[" in part or "\\" in part:
                return True
            if not re.match(_bounded(_translate(part)[1]), name):
                return False
        return len(parts) > len(folders)


class _Union:
    """Whether any of the patterns matches, asked in a few calls however many they are."""

    def __init__(self, patterns: list[_Pattern]) -> None:
        endings = [pattern.ending for pattern in patterns if pattern.kind == "ending"]
        self._paths = {pattern.text for pattern in patterns if pattern.kind == "path"}
        self._paths |= {ending[1:] for ending in endings if ending.startswith("/")}
        self._beginnings = tuple(pattern.beginning for pattern in patterns if pattern.kind == "beginning")
        self._endings = tuple(endings)
        expressions = [pattern.expression.pattern for pattern in patterns if pattern.expression is not None]
        self._expression = re.compile("|".join(f"(?:{text})" for text in expressions)) if expressions else None

    def matches(self, path: str) -> bool:
        return (
            path in self._paths
            or path.startswith(self._beginnings)
            or path.endswith(self._endings)
            or (self._expression is not None and self._expression.match(path) is not None)
        )


def _clean(path: str) -> str:
    """Go's ``filepath.Clean``."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _cleaned(pattern: str) -> str:
    pattern = pattern.strip(_SPACE)
    return _clean(pattern) if pattern else ""


def _translate(pattern: str) -> tuple[str, str]:
    """The kind, and the expression (complete only where it is the kind)."""
    kind = "path"
    expression: list[str] = []
    at = 0
    while at < len(pattern):
        begin, char = at, pattern[at]
        at += 1
        if pattern.startswith("**", begin):
            at = begin + 3 if pattern.startswith("/", begin + 2) else begin + 2
            if at < len(pattern):
                expression.append("(.*/)?")
                kind = "expression"
            else:
                expression.append(".*")
                kind = "beginning" if kind == "path" else "expression"
            kind = "ending" if begin == 0 else kind
        elif char in "*?":
            expression.append("[^/]*" if char == "*" else "[^/]")
            kind = "expression"
        elif char == "\\":
            expression.append(char + pattern[at : at + 1])
            at += 1
            kind = "expression"
        else:
            expression.append("\\" + char if char in ".+()|{}$" else char)
            kind = "expression" if char in "[]" else kind
    return kind, _in_python("^" + "".join(expression)) + r"\Z"


_FOLDERS: Final = "(.*/)?"
_PART: Final = "[^/]*"
_REST: Final = ".*"
_TOKEN: Final = re.compile(r"\(\.\*/\)\?|\.\*|\[\^/\]\*|\[(?:\\.|[^\\\]])*\]|\\.|.", re.DOTALL)
_FEW: Final = 2
_MANY: Final = 4


def _bounded(expression: str) -> str:
    """The same, but tried in time that grows with a path's length, and not with its power: what stands between two
    wildcards is looked for once, and the first place where it is leaves the most for what follows.

    Raises InvalidArgument for wildcards so many and so entangled that this cannot be.
    """
    tokens = _TOKEN.findall(expression.removeprefix("^").removesuffix(r"\Z"))
    wild = sum(token in (_FOLDERS, _PART, _REST) for token in tokens)
    if wild <= _FEW:
        return expression
    chunks: list[list[str]] = [[]]
    for token in tokens:
        if token != _FOLDERS:
            chunks[-1].append(token)
        elif len(chunks) == 1 or chunks[-1]:
            chunks.append([])
    apart = all(chunk[-1] == "/" for chunk in chunks[:-1] if chunk)
    if not apart or any(token in ("*", "+", "?", "{") for token in tokens):
        if wild > _MANY:
            raise InvalidArgument(f"{_BAD}: too many wildcards")
        return expression
    first, *others = (joined(split(chunk, _PART), _PART) for chunk in chunks)
    middle = "".join(f"(?>(?:.*?/)??{chunk})" for chunk in others[:-1])
    last = f"(?:.*/)?{others[-1]}" if others else ""
    return rf"^{first}{middle}{last}\Z"


_MEMBER: Final = re.compile(r"(\\.|[^\\])(?:-(\\.|[^\\\]]))?", re.DOTALL)
_OUTSIDE: Final = re.compile(r"(?:[^\\\[]|\\.?)*", re.DOTALL)


def _in_python(expression: str) -> str:
    """Go's expression as Python's: its sets have single characters and ranges, nothing else."""
    made: list[str] = []
    at = 0
    while at < len(expression):
        outside = _OUTSIDE.match(expression, at)
        assert outside is not None
        made.append(outside[0])
        at = outside.end()
        if at < len(expression):
            members, at = _set(expression, at + 1)
            made.append(members)
    return "".join(made)


def _set(expression: str, at: int) -> tuple[str, int]:
    """The set that begins after ``[``, and where it ends. A first ``]`` is a member."""
    made = ["["]
    if expression.startswith("^", at):
        made.append("^")
        at += 1
    while not (expression.startswith("]", at) and made[-1] not in ("[", "^")):
        match = _MEMBER.match(expression, at)
        if match is None:
            raise InvalidArgument(_BAD)
        first, last = match.groups()
        made.append(_member(first) + (f"-{_member(last)}" if last else ""))
        at = match.end()
    return "".join([*made, "]"]), at + 1


def _member(text: str) -> str:
    return text if text.startswith("\\") else re.escape(text)


_SET: Final = re.compile(r"\^?(?:(?:\\.|[^\\\]-])(?:-(?:\\.|[^\\\]-]))?)+\]", re.DOTALL)


def _check(pattern: str) -> None:
    """What Go's ``filepath.Match`` calls malformed: sets that are empty or open, an escape of nothing."""
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "\\":
            at += 1
            if at > len(pattern):
                raise InvalidArgument(_BAD)
        elif char == "[":
            match = _SET.match(pattern, at)
            if match is None:
                raise InvalidArgument(_BAD)
            at = match.end()
