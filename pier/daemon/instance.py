"""One daemon at a time: locks on the data root and the process ID file, held as long as the process lives.

A daemon that is ending says so in its lock: whoever is started meanwhile waits for it, as a service manager would.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.errors import Conflict, Unavailable
from pier.linux import process
from pier.log import Logger

LONGEST: Final = 60.0
"""Seconds that one which is ending is waited for: twice ``shutdown-timeout`` is 20 to begin with, and 15 the rest."""
_EVERY: Final = 0.05
_ENDING: Final = "ending"
_log: Final = Logger("pier.daemon")


@dataclass(frozen=True, slots=True)
class Claim:
    """The locks' descriptors: the data root's, then the process ID file's."""

    root: int
    pidfile: int

    def leaving(self) -> None:
        """Tell those that want the same root: it is theirs soon."""
        os.pwrite(self.root, f"{os.getpid()} {_ENDING}\n".encode(), 0)

    def release(self) -> None:
        """The root last: its next owner must find the other free."""
        os.close(self.pidfile)
        os.close(self.root)


def claim(root: Path, pidfile: Path) -> Claim:
    """Lock both, waiting while another daemon is ending. Raises Conflict, naming the other process."""
    deadline = time.monotonic() + LONGEST
    held = _lock(root / "lock", f"data root {root}", deadline)
    try:
        return Claim(held, _lock(pidfile, f"process ID file {pidfile}", deadline))
    except BaseException:
        os.close(held)
        raise


def _lock(path: Path, what: str, deadline: float) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Unavailable(f"failed to start daemon: cannot open {path}: {error.strerror}") from error
    try:
        _await(descriptor, what, deadline)
    except BaseException:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _await(descriptor: int, what: str, deadline: float) -> None:
    waited_for = ""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            text = os.pread(descriptor, 64, 0).decode(errors="replace")
            other, _, state = text.strip().partition(" ")
            ending = state == _ENDING or (other.isdecimal() and process.ending(int(other)))
            if not ending or time.monotonic() > deadline:
                raise Conflict(
                    f"failed to start daemon: process with PID {other or 'unknown'} is still running ({what} is in use)"
                ) from error
        if waited_for != other:
            waited_for = other
            _log.info("waiting for the daemon before this one to end", process=other)
        time.sleep(_EVERY)
