"""``exec``: one more process in a running container."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.terminal import DEFAULT_KEYS, KeyWatch, RawMode, is_terminal, parse_keys, require_input_terminal, size
from pier.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def execute(call: Call) -> int:
    """The exit code is the process's own; 126 and 127 when it cannot be run."""
    container, *command = call.args
    detach, tty = call.flag("detach"), call.flag("tty")
    stdin = call.flag("interactive") and not detach
    keys = parse_keys(call.text("detach-keys") or DEFAULT_KEYS)
    if not detach:
        require_input_terminal(stdin, tty)
    console = size() if tty and is_terminal(1) else None
    exec_id = containers.exec_create(call.client, container, _request(call, command, stdin, console))
    start: Json = {"Detach": detach, "Tty": tty}
    if console is not None:
        start["ConsoleSize"] = list(console)
    if detach:
        containers.exec_start(call.client, exec_id, start)
        return 0
    _relay(call, exec_id, start, stdin, keys)
    state = containers.exec_inspect(call.client, exec_id)
    if state.get("Running"):
        return 0
    return int(state["ExitCode"] or 0)


def _relay(call: Call, exec_id: str, start: Json, stdin: bool, keys: bytes) -> None:
    from pier.cli.relay import Relay

    tty: bool = start["Tty"]
    stream = containers.exec_attach(call.client, exec_id, start)
    with RawMode(tty and stdin):
        if tty and is_terminal(1):
            from pier.cli.signals import on_resize

            on_resize(call.client, lambda own, height, width: containers.exec_resize(own, exec_id, height, width))()
        watch = KeyWatch(keys) if tty and stdin else None
        Relay(stream, framed=not tty, stdin=stdin, keys=watch).run()


def _request(call: Call, command: list[str], stdin: bool, console: tuple[int, int] | None) -> Json:
    detach = call.flag("detach")
    body: Json = {
        "AttachStdin": stdin,
        "AttachStdout": not detach,
        "AttachStderr": not detach,
        "Tty": call.flag("tty"),
        "Cmd": command,
    }
    if call.given("env") or call.given("env-file"):
        from pier.cli.options.environment import read_file

        lines = [line for path in call.items("env-file") for line in read_file(path, "env file", True)]
        body["Env"] = lines + call.items("env")
    for flag, field in (("user", "User"), ("workdir", "WorkingDir"), ("privileged", "Privileged")):
        if call.given(flag):
            body[field] = call.get(flag)
    if call.given("detach-keys"):
        body["DetachKeys"] = call.text("detach-keys")
    if console is not None:
        body["ConsoleSize"] = list(console)
    return body


EXEC = Command(
    execute,
    "CONTAINER COMMAND [ARG...]",
    (
        Flag("detach", "bool", "Let it run in the background", "d"),
        Flag("detach-keys", "string", "Keys that leave it running"),
        Flag("env", "env", "Set an environment variable (NAME=value, or NAME to pass ours on)", "e"),
        Flag("env-file", "list", "Read environment variables from a file, one a line"),
        Flag("interactive", "bool", "Keep standard input open", "i"),
        Flag("privileged", "bool", "Give the process all capabilities"),
        Flag("tty", "bool", "Give the process a terminal", "t"),
        Flag("user", "string", "User name or UID, and group (<name|uid>[:<group|gid>])", "u"),
        Flag("workdir", "string", "Folder that the process starts in", "w"),
    ),
    minimum=2,
    interspersed=False,
    completes="running",
    examples=(
        ("pier exec -it web sh", "A shell beside what runs"),
        ("pier exec -u root web apt-get update", "As another user"),
    ),
)
