"""What is wrong with a Dockerfile, and where (pure): the lines shown as BuildKit's clients show them."""

from collections.abc import Mapping

from pier.build.dockerfile.ast import Location
from pier.errors import InvalidArgument


class Fault(InvalidArgument):
    """``reason`` is Docker's one line; ``str(fault)`` has file and lines before it. ``shown`` are those lines alone.

    ``location`` is None where the whole file is at fault; ``sources`` are the texts by file.
    """

    def __init__(self, reason: str, location: Location | None, sources: Mapping[str, str]) -> None:
        self.reason = reason
        self.location = location
        self.sources = sources
        self.shown = shown(location, sources) if location else ""
        super().__init__(f"{self.shown}{reason}")


class SyntaxFault(Fault):
    """The text cannot be understood."""


def shown(location: Location, sources: Mapping[str, str]) -> str:
    """``Dockerfile:3``, a rule, the lines, ``>>>`` before those that are meant, a rule; empty without the source."""
    lines = sources[location.file].split("\n") if location.file in sources else []
    if not 1 <= location.first <= len(lines):
        return ""
    last = min(location.last, len(lines))
    begin, end = _surrounded(location.first, last, len(lines))
    rule = "-" * 20
    rows = [
        f" {number:3d} | {'>>>' if location.first <= number <= last else '   '} {lines[number - 1]}"
        for number in range(begin, end + 1)
    ]
    return "\n".join([f"{location.file}:{location.first}", rule, *rows, rule, ""])


def _surrounded(first: int, last: int, count: int) -> tuple[int, int]:
    """Two lines around several, four around one, fewer where the file ends."""
    begin, end = first, last
    room = 4 if first == last else 2
    taken = 0
    while taken < room:
        if begin > 1:
            begin -= 1
            taken += 1
        if end < count:
            end += 1
            taken += 1
        taken += 1
    return begin, end
