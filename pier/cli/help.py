"""``--help``: usage, what the command is for, its flags, and examples."""

from __future__ import annotations

import os
import sys

from pier.cli.command import Command, Flag
from pier.cli.tree import COMMON, GROUPS, MANAGEMENT, OTHER, ROWS, row_of
from pier.cli.values import shown_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MORE = "Run 'pier{} COMMAND --help' for more information on a command.\n"


def usage_line(path: str, command: Command | None = None) -> str:
    if command is None:
        return f"pier {path}".rstrip()
    options = " [OPTIONS]" if any(not flag.hidden for flag in command.flags) else ""
    return f"pier {path}{options} {command.usage}".rstrip()


def top_help(flags: tuple[Flag, ...]) -> str:
    """What ``pier`` alone prints."""
    parts = [
        "Usage:  pier [OPTIONS] COMMAND\n\nRun containers: an engine for images, containers, networks and volumes\n"
    ]
    parts.append(_listing(COMMON, [(row[1][0], row[3]) for row in ROWS if row[0] == COMMON]))
    parts.append(_listing(MANAGEMENT, list(GROUPS.items())))
    parts.append(_listing(OTHER, [(row[1][0], row[3]) for row in ROWS if row[0] == OTHER]))
    parts.append("Global Options:\n" + flag_lines(flags))
    parts.append("First steps:\n  pier run --rm hello-world\n  pier run -it debian bash\n  pier ps -a\n")
    parts.append(MORE.format(""))
    return "\n".join(parts)


def group_help(group: str) -> str:
    """What ``pier container`` alone prints."""
    rows = [(name.split()[1], row[3]) for row in ROWS for name in row[1] if name.startswith(f"{group} ")]
    seen: dict[str, str] = {}
    for name, summary in rows:
        if summary not in seen.values():
            seen[name] = summary
    listing = _listing(OTHER, sorted(seen.items()))
    return f"Usage:  pier {group} COMMAND\n\n{GROUPS[group]}\n\n{listing}\n{MORE.format(' ' + group)}"


def command_help(path: str, command: Command) -> str:
    row = row_of(path)
    assert row is not None
    parts = [f"Usage:  {usage_line(path, command)}\n", f"{row[3]}\n"]
    if command.details:
        parts.append(command.details.strip("\n") + "\n")
    if len(row[1]) > 1:
        names = sorted(row[1], key=lambda name: (" " not in name, name))
        parts.append("Aliases:\n  " + ", ".join(f"pier {name}" for name in names) + "\n")
    if command.flags:
        parts.append("Options:\n" + flag_lines(command.flags))
    if command.examples:
        lines = [f"  # {why}\n  {line}\n" for line, why in command.examples]
        parts.append("Examples:\n" + "".join(lines))
    return "\n".join(parts)


def _listing(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows) + 2
    return f"{title}:\n" + "".join(f"  {name:<{width}}{summary}\n" for name, summary in rows)


def flag_lines(flags: Iterable[Flag]) -> str:
    """The flags in two columns, in the order of their names, wrapped to the terminal."""
    rows = sorted((flag.name, _left(flag), _right(flag)) for flag in flags if not flag.hidden)
    left_width = max(len(left) for _, left, _ in rows) + 3
    width = max(_terminal_width() - left_width, 24)
    out: list[str] = []
    for _, left, right in rows:
        first, *rest = _wrap(right, width)
        out.append(f"{left:<{left_width}}{first}".rstrip())
        out += [" " * left_width + line for line in rest]
    return "\n".join(out) + "\n"


def _left(flag: Flag) -> str:
    short = f"  -{flag.short}, " if flag.short else "      "
    return f"{short}--{flag.name} {shown_type(flag.kind)}".rstrip()


def _right(flag: Flag) -> str:
    if flag.default in (None, False, ""):
        return flag.help
    shown = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()
    return f"{flag.help} (default {shown})"


def _terminal_width() -> int:
    try:
        return min(os.get_terminal_size(sys.stdout.fileno()).columns or 80, 120)
    except (OSError, ValueError):
        return 80


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
