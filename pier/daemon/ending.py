"""The end of a process that has been told to end: also where a task, a thread or the loop itself does not let it.

What we keep is safe against the process being killed at any moment, so nothing is lost by leaving in the midst of it:
what was answered is durable, and what was begun is taken up or undone by the next start, as after SIGKILL.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, Final

from pier.log import Logger

LONGEST: Final = 15.0
"""Seconds that everything together has, once requests had their time."""
STUCK: Final = 70
"""The exit code then: sysexits(3) calls it an internal software error."""
_AGAIN: Final = 5.0
_LAST_RESORT: Final = 5.0
_MOST_FRAMES: Final = 6
_log: Final = Logger("pier.daemon")


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Have them end. Those that do not are cancelled once more every five seconds: a cancellation can get lost.

    (A task group whose child fails at the same time raises the child's error instead of it, before Python 3.13.)
    """
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=_AGAIN)
        for task in going:
            _log.warning("it was cancelled, and goes on", task=task.get_name(), waits=" < ".join(_steps(task)))


class Ending:
    """Make it inside the loop. :meth:`within` begins to count, or begins anew."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: threading.Timer | None = None

    def within(self, seconds: float) -> None:
        """After so many the process ends with :data:`STUCK`, and the log says what it waited for."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._leave, (seconds,))
        self._timer.daemon = True
        self._timer.start()
        # needs no lock of Python's: where a thread keeps that, or the log, for itself
        faulthandler.dump_traceback_later(seconds + _LAST_RESORT, exit=True, file=sys.__stderr__ or 2)

    def _leave(self, seconds: float) -> None:
        try:
            _log.error("it does not end; leaving all the same", seconds=seconds)
            for task in asyncio.all_tasks(self._loop):
                _log.error("a task goes on", task=task.get_name(), waits=" < ".join(_steps(task)))
            for name, waits in _threads():
                _log.error("a thread goes on", thread=name, waits=waits)
        finally:
            os._exit(STUCK)


def _steps(task: asyncio.Task[Any]) -> list[str]:
    """Where a task waits: the innermost place first."""
    frames: list[str] = []
    inner: Any = task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None) or getattr(inner, "gi_frame", None)
        if frame is None:
            frames.append(repr(inner)[:200])
            break
        frames.append(_place(frame))
        inner = (
            getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None) or getattr(inner, "gi_yieldfrom", None)
        )
    return frames[: -_MOST_FRAMES - 1 : -1]


def _threads() -> Iterator[tuple[str, str]]:
    """Those that do something: not those of a pool that wait for work, nor this one."""
    running = sys._current_frames()
    for thread in threading.enumerate():
        frame = running.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread() or frame.f_code.co_name == "_worker":
            continue
        yield thread.name, " < ".join(_stack(frame))


def _stack(frame: FrameType) -> list[str]:
    places: list[str] = []
    inner: FrameType | None = frame
    while inner is not None and len(places) < _MOST_FRAMES:
        places.append(_place(inner))
        inner = inner.f_back
    return places


def _place(frame: FrameType) -> str:
    file = "/".join(frame.f_code.co_filename.split("/")[-3:])
    return f"{file}:{frame.f_lineno} {frame.f_code.co_qualname}"
