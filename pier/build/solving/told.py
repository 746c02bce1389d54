"""What is told of one vertex while it is solved."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from pier.build.graph import Vertex, VertexId
from pier.build.progress import Progress, VertexState

CANCELLED: Final = "context canceled"


class Told:
    """The newest state of a vertex. Whoever begins anew makes a new one and mutes the old."""

    def __init__(self, progress: Progress, vertex: Vertex) -> None:
        self._progress = progress
        self._state = VertexState(vertex.id, vertex.name, vertex.inputs)
        self._muted = False

    def announced(self) -> None:
        self._tell(self._state)

    def started(self, at: int = 0) -> None:
        """``at``: nanoseconds since 1970, 0 for now."""
        if not self._state.started or self._state.completed:
            began = at or time.time_ns()
            self._tell(VertexState(self._state.id, self._state.name, self._state.inputs, started=began))

    def completed(self, *, cached: bool = False, error: str = "") -> None:
        self.started()
        self._tell(msgspec.structs.replace(self._state, completed=time.time_ns(), cached=cached, error=error))

    def cancelled(self) -> None:
        """Only what was seen to start is seen to end."""
        if self._state.started and not self._state.completed:
            self.completed(error=CANCELLED)

    def mute(self) -> None:
        self._muted = True

    def _tell(self, state: VertexState) -> None:
        self._state = state
        if not self._muted:
            self._progress(state)


@contextmanager
def telling_failures(told: Told, failed: list[VertexId], vertex: Vertex) -> Iterator[None]:
    """What ends the block early is told: a failure as it is, everything else as a cancellation."""
    try:
        yield
    except Exception as error:
        failed.append(vertex.id)
        told.completed(error=str(error) or type(error).__name__)
        raise
    except BaseException:
        told.cancelled()
        raise
