"""``docs/user/commands.md`` from the commands' own tables; ``python -m pier.cli.reference`` prints it (pure)."""

from __future__ import annotations

from pier.cli.command import Command, Flag
from pier.cli.help import usage_line
from pier.cli.main import GLOBAL_FLAGS
from pier.cli.tree import GROUPS, ROWS, load
from pier.cli.values import shown_type

HEAD = """# Commands

Every command has `--help`, which says the same as this page. The commands of a noun have two names where people type
them often: `pier ps` is `pier container ls`. This page is made from the program's own tables by
`python -m pier.cli.reference`.

## For every command

These stand before the command: `pier -H unix:///run/second.sock ps`.

"""


def page() -> str:
    """Markdown: the global flags, then the commands by name."""
    parts = [HEAD, _flags(GLOBAL_FLAGS)]
    short = sorted((row for row in ROWS if " " not in row[1][0]), key=lambda row: row[1][0])
    parts.append("\n## Commands\n")
    parts += [_command(row[1], row[3], load(row[2])) for row in short]
    for group, summary in GROUPS.items():
        parts.append(f"\n## pier {group}\n\n{summary}.{_elsewhere(group)}\n")
        rows = [row for row in ROWS if row[1][0].startswith(f"{group} ")]
        parts += [_command(row[1], row[3], load(row[2])) for row in rows]
    return "".join(parts)


def _elsewhere(group: str) -> str:
    """The commands of a noun that have a short name."""
    names = sorted(
        f"`{name.split()[1]}`"
        for row in ROWS
        for name in row[1]
        if name.startswith(f"{group} ") and " " not in row[1][0]
    )
    return f" Also here, and described above: {', '.join(names)}." if names else ""


def _command(names: tuple[str, ...], summary: str, command: Command) -> str:
    parts = [f"\n### {names[0]}\n\n{summary}.\n\n"]
    usage = usage_line(names[0], command).replace("\n", "\n    ")
    parts.append(f"    {usage}\n")
    if len(names) > 1:
        parts.append(f"\nAlso: {', '.join(f'`{name}`' for name in names[1:])}.\n")
    if command.details:
        parts.append(f"\n{command.details}\n")
    if any(not flag.hidden for flag in command.flags):
        parts.append("\n" + _flags(command.flags))
    if command.examples:
        parts.append("\n" + "\n".join(f"    $ {line}    # {why}" for line, why in command.examples) + "\n")
    return "".join(parts)


def _flags(flags: tuple[Flag, ...]) -> str:
    rows = [_row(flag) for flag in sorted(flags, key=lambda flag: flag.name) if not flag.hidden]
    return "| flag | takes | |\n|---|---|---|\n" + "".join(rows)


def _row(flag: Flag) -> str:
    short = f"`-{flag.short}` " if flag.short else ""
    default = "" if flag.default in (None, False, "") else f" Default: `{str(flag.default).lower()}`."
    text = f"{flag.help}.{default}".replace("|", "\\|")
    return f"| {short}`--{flag.name}` | {shown_type(flag.kind)} | {text} |\n"


if __name__ == "__main__":
    print(page(), end="")
