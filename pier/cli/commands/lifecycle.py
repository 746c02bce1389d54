"""``stop kill restart pause unpause rm rename wait``: one request for each container."""

from __future__ import annotations

from pier.cli.call import Call, for_each, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.errors import sentence
from pier.client import containers
from pier.client.failures import Missing
from pier.errors import PierError

SIGNAL = Flag("signal", "string", "Signal to send", "s")
TIMEOUT = Flag("timeout", "int", "Seconds to wait before it is killed, -1 for ever", "t")
TIME = Flag("time", "int", "Seconds to wait before it is killed", hidden=True, same_as="timeout")
ONE_OR_MORE = "CONTAINER [CONTAINER...]"


def stop(call: Call) -> int:
    timeout, signal = call.get("timeout"), call.text("signal")
    return for_each(call.args, lambda name: containers.stop(call.client, name, timeout, signal))


def restart(call: Call) -> int:
    timeout, signal = call.get("timeout"), call.text("signal")
    return for_each(call.args, lambda name: containers.restart(call.client, name, timeout, signal))


def kill(call: Call) -> int:
    return for_each(call.args, lambda name: containers.kill(call.client, name, call.text("signal")))


def pause(call: Call) -> int:
    return for_each(call.args, lambda name: containers.pause(call.client, name))


def unpause(call: Call) -> int:
    return for_each(call.args, lambda name: containers.unpause(call.client, name))


def remove(call: Call) -> int:
    force, volumes, link = call.flag("force"), call.flag("volumes"), call.flag("link")
    status = 0
    for name in call.args:
        target = name.strip("/")
        try:
            if not target:
                raise Failure("container name cannot be empty")
            containers.remove(call.client, target, force, volumes, link)
        except Missing as error:
            warn(sentence(error))
            status = status if force else 1
        except PierError as error:
            warn(sentence(error))
            status = 1
        else:
            say(name)
    return status


def rename(call: Call) -> int:
    old, new = (name.strip() for name in call.args)
    if not old or not new:
        raise Failure("Error: Neither old nor new names may be empty")
    try:
        containers.rename(call.client, old, new)
    except PierError as error:
        raise Failure(f"{sentence(error)}\nError: failed to rename container named {old}") from error
    return 0


def wait(call: Call) -> int:
    def one(name: str) -> None:
        status, error = containers.exit_code(containers.wait(call.client, name))
        say(str(status))
        if error:
            warn(f"Error waiting for container: {error}")

    return for_each(call.args, one, echo=False)


STOP = Command(stop, ONE_OR_MORE, (SIGNAL, TIMEOUT, TIME), minimum=1, completes="running")
RESTART = Command(restart, ONE_OR_MORE, (SIGNAL, TIMEOUT, TIME), minimum=1, completes="containers")
KILL = Command(kill, ONE_OR_MORE, (SIGNAL,), minimum=1, completes="running")
PAUSE = Command(pause, ONE_OR_MORE, minimum=1, completes="running")
UNPAUSE = Command(unpause, ONE_OR_MORE, minimum=1, completes="containers")
RM = Command(
    remove,
    ONE_OR_MORE,
    (
        Flag("force", "bool", "Kill it first when it runs", "f"),
        Flag("link", "bool", "Remove only the link of this name", "l"),
        Flag("volumes", "bool", "Remove its anonymous volumes too", "v"),
    ),
    minimum=1,
    completes="containers",
)
RENAME = Command(rename, "CONTAINER NEW_NAME", minimum=2, maximum=2, completes="containers")
WAIT = Command(wait, ONE_OR_MORE, minimum=1, completes="containers")
