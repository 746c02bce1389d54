"""``registry replicate``: become the program that asks the registry for a replication."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.commands.registry import become, given
from pier.cli.commands.registryadmin import WHERE


def run(call: Call) -> int:
    return become("pier.daemon.registryreplicate", [*given(call), "--", *call.args])


REPLICATE = Command(
    run,
    "[NAME]",
    (*WHERE, Flag("detach", "bool", "Print the run's ID and do not wait for its end", short="d")),
    maximum=1,
    details="""
Asks for all that the rule NAME is about ([[replication]] in the registry's settings), and shows how it goes. It is the
registry that does it, so that has to run; who stops watching does not stop it. Without NAME: the rules, with how the
last run of each went. The exit code is 1 where something failed.
""",
    examples=(
        ("pier registry replicate", "Which replications are there, and how do they go?"),
        ("pier registry replicate mirror", "Do one now"),
    ),
)
