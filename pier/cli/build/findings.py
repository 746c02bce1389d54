"""What the linter found, as Docker's client tells it (pure)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def checked(warnings: list[Json]) -> str:
    """The report of ``--check``."""
    count = len(warnings)
    if not count:
        return "Check complete, no warnings found.\n"
    head = f"Check complete, {count} {'warning has' if count == 1 else 'warnings have'} been found!\n"
    return head + "".join(_finding(each) for each in warnings)


def _finding(event: Json) -> str:
    found = event["warning"]
    url = f" - {found['url']}" if found.get("url") else ""
    return f"\nWARNING: {found['rule']}{url}\n{found['message']}\n{_shown(event)}"


def summary(warnings: list[Json]) -> str:
    """What is said after a build; empty for nothing."""
    count = len(warnings)
    if not count:
        return ""
    head = f"\n {count} {'warning' if count == 1 else 'warnings'} found (use pier build --check to see more):\n"
    return head + "".join(
        f" - {each['warning']['rule']}: {each['warning']['message']} (line {each['warning']['location']['first']})\n"
        for each in warnings
    )


def _shown(event: Json) -> str:
    place = event["warning"]["location"]
    lines = event.get("source", "").split("\n")
    if not 1 <= place["first"] <= len(lines):
        return ""
    first, last = max(place["first"] - 2, 1), min(place["last"] + 2, len(lines))
    rule = "-" * 20
    rows = [
        f" {number:3d} | {'>>>' if place['first'] <= number <= place['last'] else '   '} {lines[number - 1]}\n"
        for number in range(first, last + 1)
    ]
    return f"{place['file']}:{place['first']}\n{rule}\n{''.join(rows)}{rule}\n"
