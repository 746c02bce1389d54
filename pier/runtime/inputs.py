"""Second readers of containers' standard inputs.

When nothing reads a container's input any more (a server closes it when it starts) and a client sends more, the
supervisor fails to write it, and tries again for ever, on one whole processor. While somebody holds the pipe open
for reading, though never reads, the pipe fills instead, and the supervisor waits. So the daemon does, from before
the first byte until the process has ended. What the process itself sees, end-of-file included, stays the same.
"""

import os
import stat
from typing import Final

from pier.runtime.runtime import Supervised

_Key = tuple[str, str | None]

_OPEN: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class HeldInputs:
    """One descriptor for each process with an input pipe that clients write to."""

    def __init__(self) -> None:
        self._held: dict[_Key, int] = {}

    def hold(self, process: Supervised) -> None:
        """Hold the input of ``process`` open; not a terminal's, nor one that is gone. Idempotent."""
        key = (process.id, process.exec_id)
        if process.stdio.stdin and not process.stdio.terminal and key not in self._held:
            descriptor = _open_pipe(f"/proc/{process.pid}/fd/0")
            if descriptor is not None:
                self._held[key] = descriptor

    def release(self, process: Supervised) -> None:
        """Let go. Idempotent."""
        descriptor = self._held.pop((process.id, process.exec_id), None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.popitem()[1])


def _open_pipe(path: str) -> int | None:
    """Open for reading if it is a pipe. The container chooses what is there: nothing else is opened."""
    try:
        pinned = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.open(f"/proc/self/fd/{pinned}", _OPEN) if stat.S_ISFIFO(os.fstat(pinned).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(pinned)
