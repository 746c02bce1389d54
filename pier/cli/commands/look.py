"""``top``, ``port``, ``diff``."""

from __future__ import annotations

import sys

from pier.cli.call import Call, say
from pier.cli.command import Command, Failure
from pier.cli.table import align
from pier.client import containers

KINDS = ("C", "A", "D")


def top(call: Call) -> int:
    name, *ps_args = call.args
    answer = containers.top(call.client, name, " ".join(ps_args))
    lines = ["\t".join(answer["Titles"])] + ["\t".join(row) for row in answer["Processes"]]
    sys.stdout.write(align("\n".join(lines) + "\n", minimum=20, padding=1))
    return 0


def port(call: Call) -> int:
    name = call.args[0]
    published = containers.inspect(call.client, name)["NetworkSettings"].get("Ports") or {}
    if len(call.args) == 2:
        wanted, _, protocol = call.args[1].partition("/")
        if not wanted.isdecimal() or int(wanted) > 65535:
            raise Failure(f"Error: invalid port ({wanted}): invalid syntax")
        bindings = published.get(f"{wanted}/{protocol or 'tcp'}")
        if not bindings:
            raise Failure(f"Error: No public port '{call.args[1]}' published for {name}")
        for binding in bindings:
            say(_address(binding))
        return 0
    lines = [
        (int(inside.partition("/")[0]), f"{inside} -> {_address(binding)}")
        for inside, bindings in published.items()
        for binding in bindings or []
    ]
    for _, line in sorted(lines):
        say(line)
    return 0


def _address(binding: dict[str, str]) -> str:
    address = binding["HostIp"]
    return f"[{address}]:{binding['HostPort']}" if ":" in address else f"{address}:{binding['HostPort']}"


def diff(call: Call) -> int:
    for change in containers.changes(call.client, call.args[0]):
        say(f"{KINDS[change['Kind']]} {change['Path']}")
    return 0


TOP = Command(top, "CONTAINER [ps OPTIONS]", minimum=1, interspersed=False, completes="running")
PORT = Command(port, "CONTAINER [PRIVATE_PORT[/PROTO]]", minimum=1, maximum=2, completes="containers")
DIFF = Command(diff, "CONTAINER", minimum=1, maximum=1, completes="containers")
