"""A vertex of progress for what is exported, with the parts of its work."""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pier.build.progress import Progress, StatusState, VertexState

CANCELLED = "context canceled"


class Step:
    """One vertex under way."""

    def __init__(self, progress: Progress, vertex: str) -> None:
        self._progress = progress
        self.vertex = vertex

    @contextmanager
    def part(self, text: str) -> Iterator["Part"]:
        """A part of the work, shown as ``text``; it is done when the block ends well."""
        part = self.begin(text)
        yield part
        part.done()

    def begin(self, text: str) -> "Part":
        """A part that the caller ends."""
        part = Part(self._progress, self.vertex, text)
        part.show()
        return part

    def note(self, text: str) -> None:
        """Something that is done as soon as it is said."""
        Part(self._progress, self.vertex, text).done()


class Part:
    """A status: figures are bytes."""

    def __init__(self, progress: Progress, vertex: str, text: str) -> None:
        self._progress = progress
        self._vertex = vertex
        self._text = text
        self._started = time.time_ns()
        self._shown = 0.0
        self.current = 0
        self.total = 0

    def add(self, count: int) -> None:
        """So many bytes more; shown ten times a second."""
        self.current += count
        now = time.monotonic()
        if now - self._shown > 0.1:
            self._shown = now
            self.show()

    def show(self, completed: int = 0) -> None:
        self._progress(
            StatusState(self._vertex, self._text, self._text, self.current, self.total, self._started, completed)
        )

    def done(self) -> None:
        self.show(time.time_ns())


@contextmanager
def step(progress: Progress, build: str, name: str) -> Iterator[Step]:
    """Announce the vertex ``name`` of the build with that ID; it completes, or fails, with the block."""
    vertex = "sha256:" + hashlib.sha256(f"export {build} {name}".encode()).hexdigest()
    state = VertexState(vertex, name, started=time.time_ns())
    progress(state)
    error = ""
    try:
        yield Step(progress, vertex)
    except asyncio.CancelledError:
        error = CANCELLED
        raise
    except Exception as failure:
        error = str(failure) or type(failure).__name__
        raise
    finally:
        progress(VertexState(vertex, name, started=state.started, completed=time.time_ns(), error=error))
