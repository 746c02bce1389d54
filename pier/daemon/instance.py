"""One daemon at a time: locks on the data root and the process ID file, held as long as the process lives."""

import fcntl
import os
from pathlib import Path

from pier.errors import Conflict, Unavailable


def claim(root: Path, pidfile: Path) -> list[int]:
    """Lock both; returns the descriptors that hold the locks. Raises Conflict, naming the other process."""
    held = [_lock(root / "lock", f"data root {root}")]
    try:
        held.append(_lock(pidfile, f"process ID file {pidfile}"))
    except BaseException:
        os.close(held[0])
        raise
    return held


def _lock(path: Path, what: str) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Unavailable(f"failed to start daemon: cannot open {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        other = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Conflict(
            f"failed to start daemon: process with PID {other} is still running ({what} is in use)"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
