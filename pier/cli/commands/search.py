"""``search``."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.options.filters import grouped
from pier.cli.render import Shape, show, table
from pier.cli.units import shorten
from pier.client import images


def search(call: Call) -> int:
    found = images.search(call.client, call.args[0], call.get("limit") or 0, grouped(call.items("filter")))
    truncate = not call.flag("no-trunc")
    shape = Shape(
        "*formatter.searchContext",
        {
            "Name": lambda each: each["name"],
            "Description": lambda each: _line(each["description"], truncate),
            "StarCount": lambda each: str(each["star_count"]),
            "IsOfficial": lambda each: "[OK]" if each["is_official"] else "",
        },
        {"StarCount": "STARS", "IsOfficial": "OFFICIAL"},
    )
    show(shape, found, call.text("format"), table(("Name", "Description", "StarCount", "IsOfficial")))
    return 0


def _line(text: str, truncate: bool) -> str:
    line = text.replace("\n", " ").replace("\r", " ")
    return shorten(line, 45) if truncate else line


SEARCH = Command(
    search,
    "TERM",
    (
        Flag("filter", "filter", "Show only those that match (stars=3, is-official=true)", "f"),
        Flag("format", "string", "Format with a Go template"),
        Flag("limit", "int", "Number of results"),
        Flag("no-trunc", "bool", "Do not shorten anything"),
    ),
    minimum=1,
    maximum=1,
)
