"""``run`` and ``create``."""

from __future__ import annotations

import os

from pier.cli.call import say, warn
from pier.cli.command import Command, Failure, UsageError
from pier.cli.commands.run_flags import CREATE_FLAGS, RUN_FLAGS
from pier.cli.errors import sentence
from pier.cli.options.container import create_request
from pier.cli.terminal import DEFAULT_KEYS, KeyWatch, RawMode, is_terminal, parse_keys, require_input_terminal, size
from pier.client import containers
from pier.client.failures import Missing
from pier.errors import InvalidArgument, PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.call import Call

PULL_POLICIES = ("always", "missing", "never")


def run(call: Call) -> int:
    """Create, attach, register the wait, start: in this order no byte and no exit is missed."""
    try:
        return _run(call)
    except PierError as error:
        raise _refused(sentence(error), 125) from error
    except ConnectionResetError as error:
        text = f"error waiting for container: {error}; where it is now: pier ps -a"
        raise UsageError(f"pier: {text}", 125) from error


def _refused(text: str, status: int) -> UsageError:
    return UsageError(f"pier: {text}\n\nRun 'pier run --help' for more information", status)


def _start(call: Call, container: str) -> None:
    try:
        containers.start(call.client, container)
    except PierError as error:
        text = sentence(error)
        raise _refused(text, exit_status(text)) from error


def exit_status(text: str) -> int:
    """126: found and cannot be run; 127: not found; 125: everything else."""
    if any(part in text for part in ("executable file not found", "no such file or directory")):
        return 127
    if any(part in text for part in ("permission denied", "is a directory", "not a directory")):
        return 126
    return 125


def _run(call: Call) -> int:
    detach = call.flag("detach")
    if detach and call.given("attach"):
        raise Failure("conflicting options: cannot specify both --attach and --detach")
    keys = parse_keys(call.text("detach-keys") or _configured_keys(call))
    container, body = _create(call, detach)
    if detach:
        _start(call, container)
        say(container)
        return 0
    return _foreground(call, container, body, keys)


def _configured_keys(call: Call) -> str:
    if not is_terminal(0):
        return DEFAULT_KEYS
    from pier.cli.config import load

    return load(call.options).detach_keys or DEFAULT_KEYS


def _foreground(call: Call, container: str, body: dict[str, Any], keys: bytes) -> int:
    from pier.cli.relay import Relay

    client, tty = call.client, body["Tty"]
    stdin, stdout, stderr = body["AttachStdin"], body["AttachStdout"], body["AttachStderr"]
    if call.flag("sig-proxy"):
        from pier.cli.signals import forward

        forward(client, container)
    stream = containers.attach(
        client, container, stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=call.text("detach-keys")
    )
    waiting = containers.wait(client, container, "removed" if call.flag("rm") else "next-exit")
    with RawMode(tty and stdin):
        try:
            _start(call, container)
        except UsageError:
            stream.close()
            if call.flag("rm"):
                waiting.read()
            raise
        if tty and is_terminal(1):
            from pier.cli.signals import on_resize

            on_resize(client, lambda own, height, width: containers.resize(own, container, height, width))()
        watch = KeyWatch(keys) if tty and stdin else None
        detached = Relay(stream, framed=not tty, stdin=stdin, output=stdout or stderr, keys=watch).run()
    if not (stdout or stderr):
        say(container)
        return 0
    if detached:
        return 0
    status, error = containers.exit_code(waiting)
    if error:
        warn(f"Error waiting for container: {error}")
        return 125
    return status


def create(call: Call) -> int:
    """Print the new container's ID."""
    try:
        container, _ = _create(call, False)
    except PierError as error:
        raise Failure(sentence(error)) from error
    say(container)
    return 0


def _create(call: Call, detach: bool) -> tuple[str, dict[str, Any]]:
    image, *command = call.args
    policy = call.text("pull")
    if policy not in PULL_POLICIES:
        raise InvalidArgument(f'invalid pull option: \'{policy}\': must be one of "always", "missing" or "never"')
    tty = call.flag("tty")
    body = create_request(call, image, command, size() if tty and is_terminal(1) else None)
    if call.path.endswith("run") and not detach:
        require_input_terminal(body["AttachStdin"], tty)
    if not image.islower() or not image.isascii():
        _check_reference(image)
    id_file = _reserve_id_file(call.text("cidfile"))
    try:
        answer = _create_or_pull(call, image, policy, body)
    except BaseException:
        if id_file:
            os.unlink(id_file)
        raise
    for warning in answer.get("Warnings") or []:
        warn(f"WARNING: {warning}")
    if id_file:
        with open(id_file, "w", encoding="utf-8") as file:
            file.write(answer["Id"])
    return answer["Id"], body


def _check_reference(image: str) -> None:
    from pier.oci.reference import is_id_prefix, parse_reference

    if not is_id_prefix(image):
        parse_reference(image)


def _reserve_id_file(path: str) -> str:
    if path:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError as error:
            raise InvalidArgument(
                f"container ID file found, make sure the other container isn't running or delete {path}"
            ) from error
        except OSError as error:
            raise InvalidArgument(f"failed to create the container ID file: {error.strerror}: {path}") from error
    return path


def _create_or_pull(call: Call, image: str, policy: str, body: dict[str, Any]) -> dict[str, Any]:
    name, platform = call.text("name"), call.text("platform")
    if policy == "always":
        _pull(call, image)
    try:
        return containers.create(call.client, body, name, platform)
    except Missing as error:
        if policy != "missing" or not str(error).lower().startswith("no such image"):
            raise
    from pier.oci.reference import parse_reference

    if not call.flag("quiet"):
        warn(f"Unable to find image '{parse_reference(image).with_default_tag()}' locally")
    _pull(call, image)
    return containers.create(call.client, body, name, platform)


def _pull(call: Call, image: str) -> None:
    from pier.cli.commands.transfer import pull_image

    pull_image(call, image, platform=call.text("platform"), quiet=call.flag("quiet"), output=2)


RUN = Command(
    run,
    "IMAGE [COMMAND] [ARG...]",
    RUN_FLAGS,
    minimum=1,
    interspersed=False,
    completes="image",
    examples=(
        ("pier run --rm -it debian bash", "A shell in a container that is gone when it ends"),
        ("pier run -d --name web -p 8080:80 nginx", "A web server in the background, at http://localhost:8080"),
        ("pier run --rm -v ./src:/src -w /src python:3 python app.py", "A program of this folder"),
        ("echo hi | pier run --rm -i busybox cat", "Part of a pipe"),
    ),
)
CREATE = Command(
    create,
    "IMAGE [COMMAND] [ARG...]",
    CREATE_FLAGS,
    minimum=1,
    interspersed=False,
    completes="image",
    examples=(("pier create --name job alpine sleep 60", "Make it now, start it later with: pier start job"),),
)
