"""Starting a supervisor (conmon(8)) that creates a container, or executes a process in one.

Three pipes tie it to us while it starts, named to it by environment variables: it waits for a byte on the start
pipe (so that it can be put into another cgroup first), and reports on the sync pipe one line of JSON,
``{"data": pid}`` or ``{"data": -1, "message": "what the runtime said"}``; an exec with a client says on the
attach pipe when its socket is there, and waits for a second byte on the start pipe before it runs the program.

It starts with a session of its own, keeps none of our descriptors and lives on when we die. It is our direct
child (``--sync``: one fork less), so it is reaped here while we live.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pier.errors import Internal
from pier.linux.process import Child, contents, spawn
from pier.runtime.runtime import Stdio

Place = Callable[[int], Awaitable[None]]

_REAPERS: Final[set[asyncio.Task[None]]] = set()


@dataclass(frozen=True, slots=True)
class Launch:
    """What a supervisor is to do. ``directory`` is the container's bundle, or the exec's own folder.

    ``runtime`` is the program to run and ``options`` its options before the command. ``exec_spec`` is the file
    with the process to execute, ``None`` to create the container; ``attach`` holds an exec back for a client.
    """

    conmon: Path
    runtime: str
    options: Sequence[str]
    id: str
    directory: Path
    stdio: Stdio
    tmp: Path
    exec_id: str | None = None
    exec_spec: Path | None = None
    attach: bool = False


@dataclass(frozen=True, slots=True)
class Launched:
    """A supervisor and the process that it supervises."""

    conmon_pid: int
    pid: int


class LaunchError(Exception):
    """The runtime refused; the text is what it wrote."""


def argv(launch: Launch) -> list[str]:
    """The supervisor's command line. Pure."""
    words = [str(launch.conmon), "--api-version", "1", "--sync", "--no-sync-log", "--full-attach"]
    words += ["--cid", launch.id, "--cuuid", launch.exec_id or launch.id, "--runtime", launch.runtime]
    for option in launch.options:
        words += ["--runtime-arg", option]
    words += ["--bundle", str(launch.directory), "--persist-dir", str(launch.directory)]
    words += ["--container-pidfile", str(launch.directory / "pidfile")]
    if launch.exec_spec is not None:
        words += ["--exec", "--exec-process-spec", str(launch.exec_spec)]
        words += ["--exec-attach"] if launch.attach else []
    return words + _stdio_options(launch.stdio)


def _stdio_options(stdio: Stdio) -> list[str]:
    words = ["--terminal"] if stdio.terminal else []
    if stdio.stdin:
        words += ["--stdin"]
        if stdio.terminal or not stdio.stdin_once:  # who leaves a terminal may come back to it
            words += ["--leave-stdin-open"]
    words += ["--log-path", f"k8s-file:{stdio.log_path}" if stdio.log_path else "off"]
    if stdio.log_path and stdio.log_max:
        words += ["--log-size-max", str(stdio.log_max)]
    return words


@dataclass(slots=True)
class _Pipes:
    """Our ends and the supervisor's ends of the pipes; all closed at the end."""

    ours: dict[str, int] = field(default_factory=dict)
    theirs: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, *, we_read: bool) -> None:
        read, write = os.pipe2(os.O_CLOEXEC)
        self.ours[name], self.theirs[name] = (read, write) if we_read else (write, read)

    def close_theirs(self) -> None:
        while self.theirs:
            os.close(self.theirs.popitem()[1])

    def close(self) -> None:
        self.close_theirs()
        while self.ours:
            os.close(self.ours.popitem()[1])


async def launch(
    wanted: Launch,
    *,
    place: Place | None = None,
    connect: Callable[[], None] | None = None,
) -> Launched:
    """Start the supervisor and wait until the container is created, or the process runs.

    ``place`` is given the supervisor's pid before it does anything; ``connect`` is called when the attach socket
    of an exec is there. Raises :class:`LaunchError`; the supervisor has then ended.
    """
    pipes = _Pipes()
    pipes.add("_OCI_SYNCPIPE", we_read=True)
    if place is not None or wanted.attach:
        pipes.add("_OCI_STARTPIPE", we_read=False)
    if wanted.attach:
        pipes.add("_OCI_ATTACHPIPE", we_read=True)
    complaints = os.memfd_create("conmon")
    try:
        child = await spawn(
            argv(wanted),
            stderr=complaints,
            env=_environment(wanted, pipes),
            cwd=wanted.directory,
            pass_fds=tuple(pipes.theirs.values()),
        )
        pipes.close_theirs()
        ended = _reap(child)
        try:
            await _start(child, pipes, place, connect)
            pid = _parse(await _read_line(pipes.ours["_OCI_SYNCPIPE"]), contents(complaints))
        except BaseException:
            child.send_signal(signal.SIGKILL)  # the runtime that it has started dies with it
            await asyncio.shield(ended)
            raise
        return Launched(child.pid, pid)
    finally:
        pipes.close()
        os.close(complaints)


def _environment(wanted: Launch, pipes: _Pipes) -> dict[str, str]:
    """Log times in UTC; sockets for terminals in a folder of ours, if its name is short enough for a socket's."""
    tmp = wanted.tmp if len(os.fsencode(wanted.tmp)) < 80 else Path("/tmp")
    path = os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    ends = {name: str(descriptor) for name, descriptor in pipes.theirs.items()}
    return {"PATH": path, "TZ": "UTC0", "LC_ALL": "C", "TMPDIR": str(tmp), **ends}


def _reap(child: Child) -> "asyncio.Task[None]":
    task = asyncio.create_task(_reaping(child))
    _REAPERS.add(task)
    task.add_done_callback(_REAPERS.discard)
    return task


async def _reaping(child: Child) -> None:
    try:
        await child.wait()
    finally:
        child.release()


async def _start(
    child: Child,
    pipes: _Pipes,
    place: Place | None,
    connect: Callable[[], None] | None,
) -> None:
    start = pipes.ours.get("_OCI_STARTPIPE")
    if place is not None:
        await place(child.pid)
    if start is None:
        return
    with contextlib.suppress(BrokenPipeError):  # it has ended: what it said comes through the sync pipe
        os.write(start, b"1")
        if "_OCI_ATTACHPIPE" in pipes.ours and await _read_line(pipes.ours["_OCI_ATTACHPIPE"]):
            if connect is not None:
                connect()
            os.write(start, b"1")


async def _read_line(descriptor: int) -> bytes:
    """Bytes up to a newline or the end."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    line = b""
    while not line.endswith(b"\n"):
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _resolve, ready)
        try:
            await ready
        finally:
            loop.remove_reader(descriptor)
        piece = os.read(descriptor, 65536)
        if not piece:
            break
        line += piece
    return line


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _parse(line: bytes, complaints: bytes) -> int:
    """The pid in the supervisor's report; :class:`LaunchError` with the runtime's words, or its own.

    A process that has ended already is followed by a second report, of its exit, which the exit file has too.
    """
    if not line:
        raise LaunchError(complaints.decode(errors="replace").strip() or "the supervisor ended without a word")
    try:
        report, _ = json.JSONDecoder(strict=False).raw_decode(line.decode(errors="replace").lstrip())
        pid = int(report["data"])
    except (ValueError, KeyError, TypeError) as error:
        raise Internal(f"conmon reported nonsense: {line[:200]!r}") from error
    if pid <= 0:
        raise LaunchError(str(report.get("message", "")))
    return pid
