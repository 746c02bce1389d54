"""How supervised processes end: told by the supervisor's pidfd, read from the file that it leaves."""

import contextlib
import os
import signal
import time

from pier.linux import cgroup
from pier.linux.process import pidfd_open_same, pidfd_signal, pidfd_wait
from pier.runtime.runtime import ExitResult, Supervised

_LOST_UNSEEN = 255
_LOST = 128 + signal.SIGKILL


async def wait(process: Supervised, trees: cgroup.Hierarchies) -> ExitResult:
    """See :meth:`pier.runtime.runtime.Runtime.wait`."""
    supervisor = pidfd_open_same(process.conmon_pid, process.conmon_start)
    if supervisor is not None:
        await _await(supervisor)
    result = recorded(process, trees)
    if result is None:
        await _end_orphan(process)
        result = ExitResult(_LOST_UNSEEN if supervisor is None else _LOST, False, time.time_ns())
    return result


def recorded(process: Supervised, trees: cgroup.Hierarchies) -> ExitResult | None:
    """The result that the supervisor wrote, if it has."""
    try:
        code = int(process.exit_file.read_text())
        finished_at = process.exit_file.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    oom = process.exec_id is None and (process.oom_file.exists() or cgroup.oom_kills(trees, process.cgroup) > 0)
    return ExitResult(code, oom, finished_at)


async def _end_orphan(process: Supervised) -> None:
    """A process whose supervisor was killed has lost its stdio and its reaper: it is ended."""
    descriptor = pidfd_open_same(process.pid, process.pid_start)
    if descriptor is None:
        return
    with contextlib.suppress(ProcessLookupError):
        pidfd_signal(descriptor, signal.SIGKILL)
    await _await(descriptor)


async def _await(descriptor: int) -> None:
    try:
        await pidfd_wait(descriptor)
    finally:
        os.close(descriptor)
