"""Running containers (contract).

A *runtime* drives one OCI runtime program and one supervisor process a container. Its lifecycle::

    created = await runtime.create(id, bundle, stdio)    # namespaces, mounts, cgroup: all but the user's program
    stream = await runtime.attach(created)               # before start, so that no byte is lost
    exits = asyncio.create_task(runtime.wait(created))
    await runtime.start(created)                         # the user's program runs
    ... signal, pause, exec, resize, update ...
    result = await exits
    await runtime.delete(id)                             # cgroup and the runtime's own state

Nothing here is remembered: a :class:`Supervised` is all there is to know, goes into the container's record
as JSON, and a later daemon that reads it back calls the same functions on it. The supervisor, not the
daemon, holds the container's stdio, writes its log and records its exit code.

Errors carry Docker's wording. A program that cannot be run raises ``InvalidArgument`` with
``exec: "x": executable file not found in $PATH`` or ``... permission denied`` in its text, which command
lines turn into the exit codes 127 and 126; other failures of the runtime raise ``Internal``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pier.linux.cgroup_usage import Usage

STDOUT = 1
STDERR = 2

Output = Callable[[int, bytes], None]
"""Takes what a process writes, with its stream's number. Called on the loop."""


class Stdio(msgspec.Struct, frozen=True):
    """How a process's standard streams are held.

    ``stdin``: hold a pipe open (``-i``); ``stdin_once``: close it when the attached client half-closes or goes
    away. ``log_path``: the file to append to in the format that :mod:`pier.logs.cri` reads, ``None`` keeps no
    log. ``log_max``: bytes after which the supervisor starts a new file on its own (a cap that holds while no
    daemon is there to rotate).
    """

    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = True
    log_path: str | None = None
    log_max: int | None = None


class Supervised(msgspec.Struct, frozen=True):
    """One process (a container's first, or an exec) under its supervisor. JSON-able.

    The pids are paired with start times (:func:`pier.linux.process.start_time`), so a pid that has been used
    again is never taken for ours. ``directory`` holds the attach socket, the control fifo and the exit file.
    ``cgroup`` is the container's path below the hierarchies' mount points. ``user_namespace``: the container has one
    that is not the host's. ``session``: the one that an exec's processes are in, 0 where it is not known.
    """

    id: str
    runtime: str
    directory: str
    pid: int
    pid_start: int
    conmon_pid: int
    conmon_start: int
    cgroup: str
    stdio: Stdio
    exec_id: str | None = None
    user_namespace: bool = False
    session: int = 0

    @property
    def attach_socket(self) -> Path:
        return Path(self.directory, "attach")

    @property
    def exit_file(self) -> Path:
        return Path(self.directory, "exit")

    @property
    def oom_file(self) -> Path:
        return Path(self.directory, "oom")


class ExitResult(msgspec.Struct, frozen=True):
    """How a supervised process ended: ``code`` is 128+n for signal n; ``finished_at`` in nanoseconds since 1970.

    Where the supervisor itself was killed the code is 137, and 255 where both vanished unseen (a reboot).
    """

    code: int
    oom_killed: bool
    finished_at: int


class AttachStream(Protocol):
    """One client's connection to a container's streams. Reading slowly holds the container back."""

    async def read(self) -> tuple[int, bytes] | None:
        """The next bytes and their stream (1 or 2; always 1 for a terminal); ``None`` at the end.

        Adjacent pieces of one stream may come joined, up to 256 KiB.
        """

    async def write(self, data: bytes) -> None:
        """Send to standard input, waiting while the container does not read. Ignored once it has ended."""

    def close_stdin(self) -> None:
        """Say that there is no more input; output goes on. Closes the container's input if ``stdin_once``."""

    def close(self) -> None:
        """Leave. Idempotent; a pending ``read`` returns ``None``."""


class Runtime(Protocol):
    """All methods are coroutines, safe to call for different containers at once."""

    name: str
    path: Path
    version: str

    def anticipate(self) -> None:
        """A container or an exec will be created in the next milliseconds: what takes the kernel time begins
        now, in the background. A hint, to be given as early as that is known; never needed."""

    async def create(self, id: str, bundle: Path, stdio: Stdio) -> Supervised:
        """Make the container of ``bundle/config.json``, all but started. Leaves nothing when it fails."""

    async def run_foreground(self, id: str, bundle: Path, output: Output) -> ExitResult:
        """Make the container of ``bundle/config.json``, run it without input to its end, and delete it.

        It has no supervisor, and nothing of it is to outlive the call: when cancelled, every process is killed and
        everything removed before that is raised. What a daemon that was killed leaves, ``delete`` with ``force``
        removes. Errors are as those of ``create``.
        """

    async def start(self, container: Supervised) -> None:
        """Let the user's program run. ``Conflict`` when it is not in the created state."""

    async def signal(self, container: Supervised, number: int, *, all: bool = False) -> None:
        """Signal the first process, or every process of the container. ``Conflict`` when it has ended.

        ``all`` on an exec means its session: it, and what it has started.
        """

    async def pause(self, container: Supervised) -> None:
        """Freeze every process; returns when all stand still."""

    async def resume(self, container: Supervised) -> None:
        """Undo ``pause``."""

    async def delete(self, id: str, *, force: bool = False) -> None:
        """Remove what the runtime keeps of an ended container (with ``force``: kill it first). Idempotent."""

    async def exec(
        self,
        container: Supervised,
        exec_id: str,
        process: dict[str, Any],
        stdio: Stdio,
        directory: Path,
        *,
        attach: bool = True,
    ) -> tuple[Supervised, AttachStream | None]:
        """Run one more process in the container; with ``attach`` the stream was there before the first byte.

        ``process`` is the OCI ``process`` object (:func:`pier.runtime.spec.build_process`); ``directory`` is
        made, must be the exec's own, and is the caller's to remove after ``wait``.
        """

    async def attach(self, process: Supervised, *, stdin: bool = True) -> AttachStream:
        """Connect to the streams. ``Conflict`` when it has ended.

        ``stdin=False`` says that this client will give no input, and that its leaving ends none.
        """

    async def resize(self, process: Supervised, width: int, height: int) -> None:
        """Set the terminal's size in characters."""

    async def wait(self, process: Supervised) -> ExitResult:
        """How the process ended, as soon as it did: also after a restart of the daemon, and long after."""

    async def update(self, id: str, resources: dict[str, Any]) -> None:
        """Change limits of a running container: the OCI ``linux.resources`` object."""

    async def usage(self, container: Supervised) -> Usage:
        """What the container has used of processor, memory and devices. ``Conflict`` when it is gone."""

    async def pids(self, container: Supervised) -> list[int]:
        """All processes of the container, by their pids on the host; none when it is gone."""

    def alive(self, process: Supervised) -> bool:
        """Whether the process runs (or is created and not started)."""

    async def reopen_log(self, process: Supervised) -> None:
        """Have the supervisor start a new log file at its path, replacing the one that is there."""

    def known(self) -> list[str]:
        """The ids that the runtime keeps state for: what ``delete`` has not yet been called on."""

    async def close(self) -> None:
        """Give up what the daemon holds. Containers go on."""
