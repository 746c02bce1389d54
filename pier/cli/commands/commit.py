"""``commit``: an image of what a container has become."""

from __future__ import annotations

from pier.cli.call import Call, say
from pier.cli.command import Command, Failure, Flag
from pier.client import containers


def commit(call: Call) -> int:
    repository = tag = ""
    if len(call.args) == 2:
        from pier.oci.reference import parse_reference

        reference = parse_reference(call.args[1])
        if reference.digest:
            raise Failure("cannot commit to digest reference")
        repository, tag = reference.familiar_name, reference.tag or "latest"
    query: dict[str, str | bool | list[str]] = {
        "container": call.args[0],
        "repo": repository,
        "tag": tag,
        "author": call.text("author"),
        "comment": call.text("message"),
        "changes": call.items("change"),
        "pause": "1" if call.flag("pause") else "0",
    }
    say(containers.commit(call.client, query, {}))
    return 0


COMMIT = Command(
    commit,
    "CONTAINER [REPOSITORY[:TAG]]",
    (
        Flag("author", "string", "Who made it", "a"),
        Flag("change", "list", "Apply a Dockerfile instruction to the image (CMD, ENV, ...)", "c"),
        Flag("message", "string", "What it is", "m"),
        Flag("pause", "bool", "Pause the container meanwhile", "p", True),
    ),
    minimum=1,
    maximum=2,
    completes="containers",
)
