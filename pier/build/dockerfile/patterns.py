"""The patterns of ``${v#p}``, ``${v%p}`` and ``${v/p/r}`` (pure): ``*``, ``?`` and escapes; all else is itself."""

import re
from typing import Final

from pier.oci.wildcards import joined, split

_TEMPLATE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)

_LONGEST: Final = 16 << 10
"""In which the beginning of a match is looked for everywhere."""


class PatternError(ValueError):
    pass


def without_prefix(value: str, pattern: str, *, greedy: bool) -> str:
    """The value less the shortest (``greedy``: longest) beginning that the pattern matches."""
    match = re.match(_compiled(_tokens(pattern), greedy=greedy), value)
    return value[match.end() :] if match else value


def without_suffix(value: str, pattern: str, *, greedy: bool) -> str:
    tokens = _tokens(pattern)[::-1]
    match = re.match(_compiled(tokens, greedy=greedy), value[::-1])
    return value[::-1][match.end() :][::-1] if match else value


def replaced(value: str, pattern: str, new: str, *, every: bool) -> str:
    """The longest match from the left replaced by ``new``, once or everywhere."""
    tokens = _tokens(pattern)
    if "*" in tokens and len(value) > _LONGEST:
        raise PatternError(
            f"invalid pattern ({pattern}) in substitution: the value is longer than {_LONGEST} characters"
        )
    expression = _compiled(tokens, greedy=True)
    if every:
        return re.sub(expression, lambda match: _filled(new, match[0]), value)
    return re.sub(expression, lambda _: new, value, count=1)


def _filled(new: str, whole: str) -> str:
    """Go fills ``$0`` in the replacement where it replaces all; there are no other groups."""
    return _TEMPLATE.sub(lambda mark: "$" if mark[1] else whole if (mark[2] or mark[3]) == "0" else "", new)


def _tokens(pattern: str) -> list[str]:
    """``*``, ``?``, and literal characters as ``=c``."""
    tokens = []
    chars = iter(pattern)
    for char in chars:
        if char != "\\":
            tokens.append(char if char in "*?" else "=" + char)
            continue
        following = next(chars, "")
        if not following or following not in "*?\\/}":
            raise PatternError(
                f"invalid pattern ({pattern}) in substitution: invalid escape '\\{following or chr(0xFFFD)}'"
            )
        tokens.append("=" + following)
    return tokens


def _compiled(tokens: list[str], *, greedy: bool) -> re.Pattern[str]:
    expressions = [t if t == "*" else "." if t == "?" else re.escape(t[1:]) for t in tokens]
    return re.compile(joined(split(expressions, "*"), ".*", shortest=not greedy))
