"""``search``."""

from __future__ import annotations

from pier.cli.call import Call, warn
from pier.cli.command import Command, Flag
from pier.cli.config import load
from pier.cli.credentials import header, key_of, usable
from pier.cli.options.filters import grouped
from pier.cli.render import Shape, show, table
from pier.cli.units import shorten
from pier.client import images

AUTOMATED = (
    'WARNING: the "is-automated" filter is deprecated, and searching for "is-automated=true" '
    "will not yield any results in future."
)


def search(call: Call) -> int:
    term, filters, form = call.args[0], grouped(call.items("filter")), call.text("format")
    if "is-automated" in filters:
        warn(AUTOMATED)
    auth = header(usable(load(call.options), key_of(_host(term))))
    found = images.search(call.client, term, max(call.get("limit") or 0, 0), filters, auth)
    yes, no = ("true", "false") if form == "json" or "json ." in form else ("[OK]", "")
    truncate = not call.flag("no-trunc")
    shape = Shape(
        "*registry.searchContext",
        {
            "Name": lambda each: _plain(each["name"]),
            "Description": lambda each: _line(each["description"], truncate),
            "StarCount": lambda each: str(each["star_count"]),
            "IsOfficial": lambda each: yes if each["is_official"] else no,
        },
        {"StarCount": "STARS", "IsOfficial": "OFFICIAL"},
    )
    show(shape, found, form, table(("Name", "Description", "StarCount", "IsOfficial")))
    return 0


def _host(term: str) -> str:
    """The registry that is asked; "" is Docker Hub."""
    head, slash, _ = term.partition("/")
    return head if slash and (any(mark in head for mark in ".:[") or head == "localhost") else ""


def _line(text: str, truncate: bool) -> str:
    line = _plain(text.replace("\n", " ").replace("\r", " "))
    return shorten(line, 45) if truncate else line


def _plain(text: str) -> str:
    """What strangers wrote, without what would steer the terminal or turn the line around."""
    return "".join(each for each in text if each.isprintable())


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
    details="A TERM like r.example.com/app asks that registry; one without a host asks the Docker Hub.",
)
