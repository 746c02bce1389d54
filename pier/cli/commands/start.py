"""``start``: in the background, or attached to one."""

from __future__ import annotations

from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.errors import sentence
from pier.cli.terminal import DEFAULT_KEYS, KeyWatch, RawMode, is_terminal, parse_keys, require_input_terminal
from pier.client import containers
from pier.errors import PierError


def start(call: Call) -> int:
    attached = call.flag("attach") or call.flag("interactive")
    if not attached:
        return _in_background(call)
    if len(call.args) > 1:
        raise Failure("you cannot start and attach multiple containers at once")
    return _attached(call, call.args[0])


def _in_background(call: Call) -> int:
    failed: list[str] = []
    for name in call.args:
        try:
            containers.start(
                call.client, name, checkpoint=call.text("checkpoint"), checkpoint_dir=call.text("checkpoint-dir")
            )
        except PierError as error:
            warn(sentence(error))
            failed.append(name)
        else:
            say(name)
    if failed:
        raise Failure(f"Error: failed to start containers: {', '.join(failed)}")
    return 0


def _attached(call: Call, name: str) -> int:
    """The exit code is the container's, 0 when detached from."""
    from pier.cli.relay import Relay

    keys = parse_keys(call.text("detach-keys") or DEFAULT_KEYS)
    client = call.client
    found = containers.inspect(client, name)
    container, config = found["Id"], found["Config"]
    tty = config["Tty"]
    stdin = call.flag("interactive") and config["OpenStdin"]
    require_input_terminal(stdin, tty)
    if call.flag("sig-proxy") and not tty:
        from pier.cli.signals import forward

        forward(client, container)
    stream = containers.attach(client, container, stdin=stdin, stdout=True, stderr=True)
    removed = (found.get("HostConfig") or {}).get("AutoRemove")
    waiting = containers.wait(client, container, "removed" if removed else "next-exit")
    with RawMode(tty and stdin):
        containers.start(client, container)
        if tty and is_terminal(1):
            from pier.cli.signals import on_resize

            on_resize(client, lambda own, height, width: containers.resize(own, container, height, width))()
        watch = KeyWatch(keys) if tty and stdin else None
        if Relay(stream, framed=not tty, stdin=stdin, keys=watch).run():
            return 0
    return containers.exit_code(waiting)[0]


START = Command(
    start,
    "CONTAINER [CONTAINER...]",
    (
        Flag("attach", "bool", "Join its output and pass signals on", "a"),
        Flag("checkpoint", "string", "Restore from this checkpoint"),
        Flag("checkpoint-dir", "string", "Folder of the checkpoints"),
        Flag("detach-keys", "string", "Keys that leave it running"),
        Flag("interactive", "bool", "Pass our input on", "i"),
        Flag("sig-proxy", "bool", "Pass signals on to the process", default=True, hidden=True),
    ),
    minimum=1,
    completes="stopped",
)
