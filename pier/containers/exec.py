"""``exec``: one more process in a running container. Execs live in memory until the container is removed."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from pier.containers.announce import announce
from pier.containers.attach import Attachment, StreamAttachment
from pier.containers.config import Strings
from pier.containers.deps import Deps
from pier.containers.execplan import process_of
from pier.containers.keys import parse_keys
from pier.containers.registry import Live
from pier.containers.resize import check_size
from pier.containers.state import check_exec
from pier.containers.wire import ApiStruct, convert, without_nulls, words
from pier.errors import Conflict, InvalidArgument, NotFound, PierError
from pier.linux.trees import remove_tree
from pier.runtime.runtime import STDERR, STDOUT, AttachStream, Stdio, Supervised

_KEPT_FOR: Final = 300 * 1_000_000_000


class ExecRequest(ApiStruct, frozen=True, kw_only=True):
    """The body of ``POST /containers/{id}/exec``."""

    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach_keys: str = ""
    tty: bool = False
    console_size: tuple[int, int] | None = None
    env: Strings | None = None
    cmd: Strings | None = None
    privileged: bool = False
    user: str = ""
    working_dir: str = ""
    detach: bool = False


class Exec:
    """One exec: asked for, then perhaps started, then ended (``exit_code`` is a number)."""

    __slots__ = ("ended", "ended_at", "exit_code", "id", "keys", "live", "request", "started", "sup")

    def __init__(self, exec_id: str, live: Live, request: ExecRequest, keys: bytes) -> None:
        self.id = exec_id
        self.live = live
        self.request = request
        self.keys = keys
        self.sup: Supervised | None = None
        self.started = False
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self.ended_at = 0

    @property
    def running(self) -> bool:
        return self.started and self.exit_code is None

    @property
    def command(self) -> str:
        return " ".join(self.request.cmd or ())

    def finish(self, code: int) -> None:
        self.exit_code = code
        self.ended_at = time.time_ns()
        self.ended.set()


def decode_exec(data: bytes) -> ExecRequest:
    """Decode the body of ``POST /containers/{id}/exec``; InvalidArgument."""
    try:
        body = msgspec.json.decode(data) if data else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(f"invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidArgument("invalid JSON: expected an object")
    body = without_nulls(body)
    words(body, "Cmd")
    return convert(body, ExecRequest)


async def create(deps: Deps, reference: str, request: ExecRequest) -> str:
    """Register an exec and return its id. Conflict when the container is not running or is paused."""
    if not request.cmd:
        raise InvalidArgument("No exec command specified")
    if request.working_dir and not request.working_dir.startswith("/"):
        raise InvalidArgument(f"Cwd must be an absolute path: {request.working_dir}")
    live = deps.registry.find(reference)
    check_exec(await live.known())
    deps.runtime.anticipate()
    _drop_old(deps, live)
    made = Exec(secrets.token_hex(32), live, request, parse_keys(request.detach_keys))
    live.execs[made.id] = deps.registry.execs[made.id] = made
    announce(deps, live.record, f"exec_create: {made.command}", execID=made.id)
    return made.id


async def start(
    deps: Deps, exec_id: str, *, detach: bool = False, tty: bool = False, console_size: tuple[int, int] | None = None
) -> Attachment | None:
    """Run it: an attachment to its streams (those asked for at creation), or None when detached.

    ``console_size`` is (height, width). NotFound ``No such exec instance: x``; Conflict when it ran already or
    its container does not run. A command that cannot be run raises Docker's ``OCI runtime exec failed: ...``
    when detached; else the attachment says so, and the exit code is 126 or 127: clients look there.
    """
    found = startable(deps, exec_id)
    found.started = True
    try:
        return await deps.background.through(_run(deps, found, detach, console_size))
    except PierError as error:
        found.finish(127 if "not found" in str(error) or "no such file" in str(error) else 126)
        if detach:
            raise
        return _failed(found, str(error))


def startable(deps: Deps, exec_id: str) -> Exec:
    """The exec, if ``start`` may be called now; else what ``start`` would raise."""
    found = find(deps, exec_id)
    if found.exit_code is not None:
        raise Conflict(f"Error: Exec command {exec_id} has already run")
    if found.started:
        raise Conflict(f"Error: Exec command {exec_id} is already running")
    check_exec(found.live.record)
    return found


def find(deps: Deps, exec_id: str) -> Exec:
    """NotFound ``No such exec instance: x``."""
    found = deps.registry.execs.get(exec_id)
    if found is None:
        raise NotFound(f"No such exec instance: {exec_id}")
    return found


def inspect(deps: Deps, exec_id: str) -> dict[str, Any]:
    """The JSON of ``GET /exec/{id}/json``."""
    found = find(deps, exec_id)
    request = found.request
    path, *arguments = request.cmd or ("",)
    process: dict[str, Any] = {"tty": request.tty, "entrypoint": path, "arguments": arguments}
    process["privileged"] = request.privileged
    if request.user:
        process["user"] = request.user
    return {
        "ID": found.id,
        "Running": found.running,
        "ExitCode": found.exit_code,
        "ProcessConfig": process,
        "OpenStdin": request.attach_stdin,
        "OpenStderr": request.attach_stderr,
        "OpenStdout": request.attach_stdout,
        "CanRemove": found.exit_code is not None,
        "ContainerID": found.live.record.id,
        "DetachKeys": request.detach_keys,
        "Pid": found.sup.pid if found.sup else 0,
    }


async def resize(deps: Deps, exec_id: str, height: int, width: int) -> None:
    """Tell its terminal its size. Conflict when it is not running."""
    check_size(height, width)
    found = find(deps, exec_id)
    if found.sup is None or not found.running:
        raise Conflict(f"exec {exec_id} is not running")
    if found.request.tty:
        await deps.runtime.resize(found.sup, width, height)


async def _run(deps: Deps, found: Exec, detach: bool, console_size: tuple[int, int] | None) -> StreamAttachment | None:
    request, record = found.request, found.live.record
    if record.supervised is None:
        raise Conflict(f"container {record.id} is not running")
    process = await asyncio.to_thread(process_of, deps, record, request, console_size or request.console_size)
    stdio = Stdio(terminal=request.tty, stdin=request.attach_stdin and not detach)
    folder = deps.run / "execs" / found.id
    found.sup, stream = await deps.runtime.exec(record.supervised, found.id, process, stdio, folder, attach=not detach)
    announce(deps, record, f"exec_start: {found.command}", execID=found.id)
    deps.background.spawn(_watch(deps, found, found.sup), "exec", exec=found.id)
    if stream is None:
        return None
    return _attachment(found, stream)


def _attachment(found: Exec, stream: AttachStream) -> StreamAttachment:
    request = found.request
    wanted = frozenset(n for n, on in ((STDOUT, request.attach_stdout), (STDERR, request.attach_stderr)) if on)
    return StreamAttachment(request.tty, stream, wanted, detach_keys=found.keys, until=found.ended)


def _failed(found: Exec, message: str) -> StreamAttachment:
    async def said() -> AsyncIterator[tuple[int, bytes]]:
        yield STDOUT, f"{message}\r\n".encode()

    return StreamAttachment(found.request.tty, None, frozenset(), earlier=said())


async def _watch(deps: Deps, found: Exec, sup: Supervised) -> None:
    result = await deps.runtime.wait(sup)
    found.finish(result.code)
    announce(deps, found.live.record, "exec_die", execID=found.id, exitCode=str(result.code))
    await asyncio.to_thread(remove_tree, deps.run / "execs" / found.id)


def _drop_old(deps: Deps, live: Live) -> None:
    """Forget what has ended some minutes ago: nobody asks for its exit code any more."""
    now = time.time_ns()
    for each in [each for each in live.execs.values() if each.ended_at and now - each.ended_at > _KEPT_FOR]:
        del live.execs[each.id]
        deps.registry.execs.pop(each.id, None)
