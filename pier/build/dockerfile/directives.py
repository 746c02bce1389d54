"""``# syntax=``, ``# escape=`` and ``# check=`` at the top of a Dockerfile (pure).

The first line that is no directive ends them: an instruction, an empty line, a comment, a directive unknown here.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from pier.build.dockerfile.space import strip_left

_DIRECTIVE: Final = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*", re.ASCII)


class Directives(msgspec.Struct, frozen=True):
    """``check_line``: where it stands, counted from 1; 0 for nowhere."""

    escape: Literal["\\", "`"] = "\\"
    syntax: str = ""
    check: str = ""
    check_line: int = 0
    escape_line: int = 0


class DirectiveError(ValueError):
    """``line`` is counted from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_directives(lines: Iterable[str]) -> Directives:
    values: dict[str, str] = {}
    places: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        match = _DIRECTIVE.fullmatch(strip_left(line.rstrip("\r\n")))
        name = match[1].lower() if match else ""
        if match is None or name not in ("escape", "syntax", "check"):
            break
        if name in values:
            raise DirectiveError(f"only one {name} parser directive can be used", number)
        if name == "escape" and match[2] not in ("\\", "`"):
            raise DirectiveError(f"invalid escape token '{match[2]}' does not match ` or \\", number)
        values[name] = match[2]
        places[name] = number
    return Directives(
        escape="`" if values.get("escape") == "`" else "\\",
        syntax=values.get("syntax", ""),
        check=values.get("check", ""),
        check_line=places.get("check", 0),
        escape_line=places.get("escape", 0),
    )
