"""Child processes: start them, hear of their end through a pidfd, signal them without meeting a reused pid.

The only place that imports ``subprocess``. Children are started with vfork (no ``preexec_fn``, nothing of
ours runs between fork and exec), all descriptors but 0, 1, 2 and ``pass_fds`` are closed in them. Output is
captured in memory files rather than in pipes: nothing has to be pumped, a child that forks a daemon holding
its output open cannot make us wait, and the end is seen through the pidfd alone.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

Stream = int | IO[Any] | None

DEVNULL: Final = subprocess.DEVNULL
_KILLED: Final = 1 << (signal.SIGKILL - 1)
"""In masks of pending signals (proc(5))."""
_EXITING: Final = 0x4
"""PF_EXITING, in the kernel's include/linux/sched.h: the flags of stat."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a child left. ``returncode`` is negative for the signal that ended it."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Child:
    """A started child. ``pidfd`` belongs to this object and is closed when ``wait`` has returned."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self.pidfd = os.pidfd_open(process.pid)
        self._returncode: int | None = None
        process.returncode = 0  # it is reaped here: a child that outlives us is no leak to warn of

    async def wait(self) -> int:
        """Return the exit code (negative: the signal), reaping the child; any number of callers may wait."""
        if self._returncode is None:
            await pidfd_wait(self.pidfd)
            if self._returncode is None:
                self._returncode = _reap(self.pidfd)
                self.release()
        return self._returncode

    def wait_sync(self, timeout: float | None = None) -> int:
        """:meth:`wait` for threads and for programs without a loop. ``TimeoutError`` while it still runs."""
        if self._returncode is None:
            if not select.select([self.pidfd], [], [], timeout)[0]:
                raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
            self._returncode = _reap(self.pidfd)
            self.release()
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Signal the child; one that has ended is no error."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                pidfd_signal(self.pidfd, number)

    def release(self) -> None:
        """Let go of a child that nobody will wait for any more; it goes on. Idempotent."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def _reap(pidfd: int) -> int:
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    if result is None:
        raise ChildProcessError("the child has not ended")
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def pidfd_open(pid: int) -> int:
    """pidfd_open(2): ``ProcessLookupError`` where there is no such process."""
    return os.pidfd_open(pid)


def pidfd_signal(pidfd: int, number: int) -> None:
    """pidfd_send_signal(2): ``ProcessLookupError`` where the process has been reaped."""
    signal.pidfd_send_signal(pidfd, number)


async def pidfd_wait(pidfd: int) -> None:
    """Return once the process behind ``pidfd`` has ended. Any number of waiters; the descriptor stays the caller's."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    own = os.dup(pidfd)  # a descriptor has one reader on the loop: each waiter brings its own

    def wake() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(own, wake)
    try:
        await ended
    finally:
        loop.remove_reader(own)
        os.close(own)


def start_time(pid: int) -> int | None:
    """When the process began, in clock ticks since boot (proc(5), stat field 22); ``None`` when there is none.

    A pid together with its start time names one process for as long as the machine is up.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def ending(pid: int) -> bool:
    """Whether the process has ended, or cannot help it any more: it was killed, and its threads go one by one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
        with open(f"/proc/{pid}/status", "rb") as file:
            pending = [int(line[7:], 16) for line in file if line.startswith((b"SigPnd:", b"ShdPnd:"))]
    except (FileNotFoundError, ProcessLookupError):
        return True
    fields = stat[stat.rindex(b")") + 2 :].split()
    killed = any(mask & _KILLED for mask in pending)
    return killed or fields[0] in (b"Z", b"X") or bool(int(fields[6]) & _EXITING)


def running(pid: int, start: int) -> bool:
    """Whether the process ``pid`` that began at ``start`` still runs (a zombie has ended)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = stat[stat.rindex(b")") + 2 :].split()
    return int(fields[19]) == start and fields[0] not in (b"Z", b"X")


def pidfd_open_same(pid: int, start: int) -> int | None:
    """A pidfd for ``pid`` if it is the process that began at ``start``, else ``None``; the caller closes it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if start_time(pid) == start:
        return descriptor
    os.close(descriptor)
    return None


async def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
) -> Child:
    """Start ``argv``; a stream that is not given is ``/dev/null``. ``FileNotFoundError`` and the like pass.

    ``pass_fds`` keep their numbers in the child. It takes about a millisecond, on the loop.
    """
    return Child(_popen(argv, stdin, stdout, stderr, env, cwd, pass_fds, new_session))


def spawn_sync(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    env: Mapping[str, str] | None = None,
    new_session: bool = False,
) -> Child:
    """:func:`spawn` for threads and for programs without a loop."""
    return Child(_popen(argv, stdin, stdout, stderr, env, None, (), new_session))


async def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float | None = None,
) -> Finished:
    """Run ``argv`` to its end. Exit codes never raise; ``FileNotFoundError`` passes.

    After ``timeout`` seconds, or when the caller is cancelled, the child is killed and reaped before
    ``TimeoutError`` or the cancellation goes on.
    """
    with _Capture(stdin) as capture:
        child = Child(_popen(argv, capture.stdin, capture.stdout, capture.stderr, env, cwd, pass_fds, False))
        try:
            async with asyncio.timeout(timeout):
                returncode = await child.wait()
        except BaseException:
            child.send_signal(signal.SIGKILL)
            await asyncio.shield(child.wait())
            raise
        return capture.finished(returncode)


def run_sync(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float | None = None,
) -> Finished:
    """:func:`run` for threads and for programs without a loop."""
    with _Capture(stdin) as capture:
        process = _popen(argv, capture.stdin, capture.stdout, capture.stderr, env, cwd, pass_fds, False)
        try:
            returncode = process.wait(timeout)
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"{os.fspath(argv[0])} took longer than {timeout} s") from error
            raise
        return capture.finished(returncode)


def _popen(
    argv: Sequence[str | os.PathLike[str]],
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    pass_fds: Sequence[int],
    new_session: bool,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [os.fspath(word) for word in argv],
        stdin=DEVNULL if stdin is None else stdin,
        stdout=DEVNULL if stdout is None else stdout,
        stderr=DEVNULL if stderr is None else stderr,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        start_new_session=new_session,
    )


class _Capture:
    """Memory files that stand for a child's three streams."""

    def __init__(self, stdin: bytes | None) -> None:
        self.stdout = os.memfd_create("stdout")
        self.stderr = os.memfd_create("stderr")
        self.stdin: int | None = None
        if stdin is not None:
            self.stdin = os.memfd_create("stdin")
            with open(self.stdin, "wb", closefd=False) as file:
                file.write(stdin)
            os.lseek(self.stdin, 0, os.SEEK_SET)

    def __enter__(self) -> "_Capture":
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self.stdin, self.stdout, self.stderr):
            if descriptor is not None:
                os.close(descriptor)

    def finished(self, returncode: int) -> Finished:
        return Finished(returncode, contents(self.stdout), contents(self.stderr))


def contents(descriptor: int) -> bytes:
    """All of a memory file, whatever its offset."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
