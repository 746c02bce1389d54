"""``completion``: scripts for the shells, and the candidates that they ask for.

The scripts know nothing: they call ``pier __complete WORD...``, which prints a candidate a line,
with its description after a tab.
"""

from __future__ import annotations

import sys

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.tree import GROUPS, ROWS, find
from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pier.client.session import Client

    Names = Callable[[Client], list[str]]

BASH = """# bash completion for pier: source this, or put it into /etc/bash_completion.d/pier
_pier() {
    # bash breaks words at ':' and '=' too, which are part of images' names: the line itself does not
    local line=${COMP_LINE:0:COMP_POINT} words current kept name
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[-1]}
    kept=${current%"${current##*[:=]}"}
    COMPREPLY=()
    while IFS=$'\\t' read -r name _; do
        [[ $name == "$current"* ]] && COMPREPLY+=("${name#"$kept"}")
    done < <(pier __complete "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _pier pier
"""
ZSH = """#compdef pier
# zsh completion for pier: put this as _pier into a folder of $fpath
_pier() {
    local -a candidates
    local name description
    while IFS=$'\\t' read -r name description; do
        candidates+=("${name//:/\\\\:}:$description")
    done < <(pier __complete "${words[@]:1:CURRENT-2}" "${words[CURRENT]}" 2>/dev/null)
    if (( ${#candidates} )); then _describe pier candidates; else _files; fi
}
if [ "$funcstack[1]" = _pier ]; then _pier "$@"; else compdef _pier pier; fi
"""
FISH = """# fish completion for pier: put this into ~/.config/fish/completions/pier.fish
complete -c pier -a '(pier __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def completion(call: Call) -> int:
    shell = call.args[0]
    if shell not in SCRIPTS:
        raise Failure(f"no completion for {shell!r}: there are bash, zsh and fish")
    sys.stdout.write(SCRIPTS[shell])
    return 0


def _containers(every: bool, states: tuple[str, ...] = ()) -> Names:
    def names(client: Client) -> list[str]:
        from pier.client import containers

        found = containers.listing(client, every)
        return [each["Names"][0].removeprefix("/") for each in found if not states or each.get("State") in states]

    return names


def _images(client: Client) -> list[str]:
    from pier.client import images

    return sorted({name for each in images.listing(client) for name in each.get("RepoTags") or []})


def _volumes(client: Client) -> list[str]:
    from pier.client import volumes

    return [each["Name"] for each in volumes.listing(client).get("Volumes") or []]


def _networks(client: Client) -> list[str]:
    from pier.client import networks

    return [each["Name"] for each in networks.listing(client)]


SOURCES: dict[str, Names] = {
    "containers": _containers(True),
    "running": _containers(False),
    "stopped": _containers(True, ("created", "exited")),
    "image": _images,
    "images": _images,
    "repository": _images,
    "volumes": _volumes,
    "networks": _networks,
}


def complete(words: Sequence[str], global_flags: tuple[Flag, ...], options: dict[str, Any]) -> int:
    """Print the candidates for the last of ``words``. Says nothing when it knows nothing."""
    *before, current = words or [""]
    for name, description in candidates(list(before), current, global_flags, options):
        if name.startswith(current):
            sys.stdout.write(f"{name}\t{description}\n")
    return 0


def candidates(
    before: list[str], current: str, global_flags: tuple[Flag, ...], options: dict[str, Any]
) -> list[tuple[str, str]]:
    """Names with what they are, for the word that follows ``before``; ``options`` are the global flags so far."""
    more, rest = _skip_global(before, global_flags)
    options = {**options, **more}
    if not rest:
        if current.startswith("-"):
            return _flags(global_flags)
        return [(row[1][0], row[3]) for row in ROWS if " " not in row[1][0]] + list(GROUPS.items())
    path, command, after = find(rest)
    if command is None:
        if path and not after:
            names = {name.split()[1]: row[3] for row in ROWS for name in row[1] if name.startswith(f"{path} ")}
            return sorted(names.items())
        return []
    if current.startswith("-"):
        return _flags(command.flags)
    return _arguments(command, options, after)


def _skip_global(before: list[str], flags: tuple[Flag, ...]) -> tuple[dict[str, list[str]], list[str]]:
    takes_value = {f"--{flag.name}" for flag in flags if flag.kind != "bool"}
    takes_value |= {f"-{flag.short}" for flag in flags if flag.short and flag.kind != "bool"}
    options: dict[str, list[str]] = {}
    index = 0
    while index < len(before) and before[index].startswith("-"):
        if before[index] in ("-H", "--host") and index + 1 < len(before):
            options["host"] = [before[index + 1]]
        index += 2 if before[index] in takes_value else 1
    return options, before[index:]


def _flags(flags: Sequence[Flag]) -> list[tuple[str, str]]:
    return [(f"--{flag.name}", flag.help) for flag in flags if not flag.hidden] + [("--help", "Print usage")]


def _arguments(command: Command, options: dict[str, Any], after: list[str]) -> list[tuple[str, str]]:
    source = SOURCES.get(command.completes)
    given = [word for word in after if not word.startswith("-")]
    if source is None or (command.completes in ("image", "repository") and given):
        return []
    from pier.cli.daemon import existing_client

    try:
        return [(name, "") for name in source(existing_client(options)) if name not in after]
    except PierError:  # no daemon: nothing to offer, and no place to say so
        return []


COMPLETION = Command(
    completion,
    "bash|zsh|fish",
    minimum=1,
    maximum=1,
    examples=(("source <(pier completion bash)", "For this shell"),),
)
