"""Patterns of COPY's sources (pure): ``path/filepath.Match`` of Go, a component at a time."""

import re
from collections.abc import Callable
from typing import Final

from pier.errors import InvalidArgument
from pier.oci.wildcards import joined, split

_STAR: Final = "[^/]*"
_SPECIAL: Final = re.compile(r"[*?\[\\]")


def components(pattern: str) -> list[str]:
    """The parts of a clean path below the root; ``..`` does not climb above it. Empty for the root itself."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def is_wild(component: str) -> bool:
    return _SPECIAL.search(component) is not None


def matcher(component: str) -> Callable[[str], object]:
    """What tells whether a name matches. InvalidArgument for a pattern that is none."""
    return re.compile(_translate(component), re.DOTALL).fullmatch


def _translate(pattern: str) -> str:
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            text, at = _class(pattern, at + 1)
            out.append(text)
            continue
        if char == "\\":
            at += 1
            if at == len(pattern):
                raise _bad(pattern)
            char = re.escape(pattern[at])
        else:
            char = {"*": _STAR, "?": "[^/]"}.get(char) or re.escape(char)
        out.append(char)
        at += 1
    return joined(split(out, _STAR), _STAR)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The expression of a class whose inside begins at ``at``, and where the pattern goes on."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while pattern[at : at + 1] != "]" or not ranges:
        low, at = _bound(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _bound(pattern, at + 1)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    inside = "".join(ranges)
    if not inside:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _bound(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at : at + 1]
    if char in ("", "-", "]"):
        raise _bad(pattern)
    if char == "\\":
        at += 1
        char = pattern[at : at + 1]
        if not char:
            raise _bad(pattern)
    return char, at + 1


def _bad(pattern: str) -> InvalidArgument:
    return InvalidArgument(f"syntax error in pattern: {pattern}")
