"""What a runtime says when it cannot create a container, in the words of Docker's runtime. Pure.

Clients tell a missing program (exit code 127) from a forbidden one (126) by these words, so crun's are
translated; anything unknown passes as it is.
"""

import re
from typing import Final

from pier.errors import Internal, InvalidArgument, PierError
from pier.runtime.program import said

_MOUNT_HINT: Final = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists "
    "and is the expected type"
)
_START: Final = "unable to start container process: "
_INIT: Final = "unable to start container process: error during container init: "

_NOT_FOUND: Final = re.compile(r"^executable file `(.*)` not found")
_CHDIR: Final = re.compile(r"^chdir(?: to)? `(.*)`: (.*)$")
_MOUNT: Final = re.compile(r"^mount `(.*)` to `(.*)`: (.*)$")
_STAT: Final = re.compile(r"^error stat'ing file `(.*)`: (.*)$")
_USERS_FAULT: Final = ("executable file not found", "no such file or directory", "permission denied", "not a directory")


def failure(verb: str, runtime: str, stderr: str, argv: list[str]) -> PierError:
    """The error for a failed ``verb`` (``create``, ``exec``) of ``runtime``, which wrote ``stderr``.

    ``argv`` is the command that was to run: crun does not always name it.
    """
    message = _translated(said(stderr), argv)
    if not message.startswith(f"runc {verb} failed"):
        message = f"{verb} failed: {message}" if verb == "exec" else f"{runtime} {verb} failed: {message}"
    text = f"OCI runtime {verb} failed: {message}: unknown"
    if "is a directory" in message:
        text += ": permission denied"
    if "not a directory" in message:
        text += _MOUNT_HINT
    return InvalidArgument(text) if any(words in text for words in _USERS_FAULT) else Internal(text)


def _translated(message: str, argv: list[str]) -> str:
    program = argv[0] if argv else ""
    if match := _NOT_FOUND.match(message):
        return _START + _missing(match[1])
    if message == "open executable: Operation not permitted":  # a folder, or no name at all
        return _START + (f'exec: "{program}": is a directory' if program else _missing(program))
    if message == "open executable: Permission denied":
        return f'{_START}exec: "{program}": permission denied'
    if match := _CHDIR.match(message):
        return f'{_START}chdir to cwd ("{match[1]}") set in config.json failed: {_lower(match[2])}'
    if match := _MOUNT.match(message):
        return f'{_INIT}error mounting "{match[1]}" to rootfs at "/{match[2].lstrip("/")}": {_lower(match[3])}'
    if match := _STAT.match(message):
        return f"{_INIT}error mounting: stat {match[1]}: {_lower(match[2])}"
    return message


def _missing(program: str) -> str:
    if "/" in program:
        return f'exec: "{program}": stat {program}: no such file or directory'
    return f'exec: "{program}": executable file not found in $PATH'


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
