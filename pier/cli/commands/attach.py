"""``attach``: join what runs already."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.terminal import DEFAULT_KEYS, KeyWatch, RawMode, is_terminal, parse_keys, require_input_terminal
from pier.client import containers


def attach(call: Call) -> int:
    """The exit code is the container's, 0 when detached from."""
    name, keys = call.args[0], parse_keys(call.text("detach-keys") or DEFAULT_KEYS)
    found = containers.inspect(call.client, name)
    state, tty = found["State"], found["Config"]["Tty"]
    if not state["Running"]:
        raise Failure("You cannot attach to a stopped container, start it first")
    if state["Paused"]:
        raise Failure("You cannot attach to a paused container, unpause it first")
    if state["Restarting"]:
        raise Failure("You cannot attach to a restarting container, wait until it is running")
    stdin = not call.flag("no-stdin") and found["Config"]["OpenStdin"]
    require_input_terminal(stdin, tty)
    if call.flag("sig-proxy") and not tty:
        from pier.cli.signals import forward

        forward(call.client, found["Id"])
    return _join(call, found["Id"], stdin, tty, keys)


def _join(call: Call, container: str, stdin: bool, tty: bool, keys: bytes) -> int:
    from pier.cli.relay import Relay

    waiting = containers.wait(call.client, container)
    stream = containers.attach(
        call.client, container, stdin=stdin, stdout=True, stderr=True, detach_keys=call.text("detach-keys")
    )
    with RawMode(tty and stdin):
        if tty and is_terminal(1):
            from pier.cli.signals import on_resize

            on_resize(call.client, lambda own, height, width: containers.resize(own, container, height, width))()
        watch = KeyWatch(keys) if tty and stdin else None
        if Relay(stream, framed=not tty, stdin=stdin, keys=watch).run():
            return 0
    status, error = containers.exit_code(waiting)
    if error:
        raise Failure(error)
    return status


ATTACH = Command(
    attach,
    "CONTAINER",
    (
        Flag("detach-keys", "string", "Keys that leave it running"),
        Flag("no-stdin", "bool", "Do not pass our input on"),
        Flag("sig-proxy", "bool", "Pass signals on to the process", default=True),
    ),
    minimum=1,
    maximum=1,
    completes="running",
)
