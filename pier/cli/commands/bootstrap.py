"""``image bootstrap``: a base image where no registry can be reached. Pier's own."""

from __future__ import annotations

from pier.cli import progress
from pier.cli.call import Call
from pier.cli.command import Command
from pier.client import images


def bootstrap(call: Call) -> int:
    progress.show(images.bootstrap(call.client, call.args[0]))
    return 0


BOOTSTRAP = Command(
    bootstrap,
    "NAME[:SUITE]",
    minimum=1,
    maximum=1,
    details="NAME is debian or ubuntu (a small system made from this host's apt sources), busybox or hello-world.",
    examples=(
        ("pier image bootstrap debian:stable", "An image debian:stable, without a registry"),
        ("pier image bootstrap hello-world", "The smallest image there is"),
    ),
)
