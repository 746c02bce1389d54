"""``update``: new limits for containers that exist."""

from __future__ import annotations

from pier.cli.call import Call, for_each, warn
from pier.cli.command import Command, Failure
from pier.cli.commands.run_flags import IDENTITY, RESOURCES
from pier.cli.options.container import HOST_FIELDS, restart_policy
from pier.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = (
    *("blkio-weight", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-shares", "cpus"),
    *("cpuset-cpus", "cpuset-mems", "kernel-memory", "memory", "memory-reservation", "memory-swap", "pids-limit"),
    "restart",
)
FLAGS = tuple(flag for flag in RESOURCES + IDENTITY if flag.name in NAMES)


def update(call: Call) -> int:
    if not call.values:
        raise Failure("you must provide one or more flags when using this command")
    body: dict[str, Any] = {HOST_FIELDS[flag]: value for flag, value in call.values.items() if flag in HOST_FIELDS}
    if call.given("restart"):
        body["RestartPolicy"] = restart_policy(call.text("restart"))

    def one(name: str) -> None:
        for warning in containers.update(call.client, name, body).get("Warnings") or []:
            warn(warning)

    return for_each(call.args, one)


UPDATE = Command(update, "CONTAINER [CONTAINER...]", FLAGS, minimum=1, completes="containers")
