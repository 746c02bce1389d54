"""``registry build``: become the program that asks the registry for a build."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.commands.registry import become, given
from pier.cli.commands.registryadmin import WHERE


def run(call: Call) -> int:
    return become("pier.daemon.registrybuild", [*given(call), "--", *call.args])


BUILD = Command(
    run,
    "[NAME]",
    (
        *WHERE,
        Flag("ref", "string", "What to build: refs/heads/NAME or refs/tags/NAME (default: the settings' branch)"),
        Flag("commit", "string", "Build this commit of it, by its whole number"),
        Flag("cancel", "bool", "End the builds of NAME that wait or go on, and print their IDs"),
        Flag("detach", "bool", "Print the run's ID and do not wait for its end", short="d"),
    ),
    maximum=1,
    details="""
Asks for the image that the table NAME is about ([[build]] in the registry's settings), as the webhook of its Git
repository does, and shows how it goes. It is the registry that has it built, so that has to run; who stops watching
does not stop it. Without NAME: the builds, with how the last run of each went. The exit code is 1 where it
failed.
""",
    examples=(
        ("pier registry build", "Which builds are there, and how do they go?"),
        ("pier registry build app", "Build the branch of the settings as it is"),
    ),
)
