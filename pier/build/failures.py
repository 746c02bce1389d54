"""How a build fails: one error that has all that its client may want to show."""

from collections.abc import Mapping, Sequence
from typing import Final

from pier.build.dockerfile.ast import Location
from pier.build.dockerfile.fault import Fault
from pier.build.graph import Graph, VertexId
from pier.build.progress import Event, LogPiece, Progress, VertexState
from pier.build.steps.failed import StepFailed
from pier.errors import Cancelled, PierError

_RULE: Final = "------"
_LINES: Final = 10
_TAIL: Final = 16 * 1024


class BuildFailed(Fault):
    """``reason`` is one line in BuildKit's words, without its ``failed to solve: ``; ``shown`` the Dockerfile's lines.

    ``vertex`` and ``step`` (its name) are empty where no step failed; ``output`` are the last lines that it wrote,
    ``exit_code`` that of its process, 0 where none failed.
    ``str(error)`` is all of it, as BuildKit's clients print it.
    """

    def __init__(
        self,
        reason: str,
        location: Location | None = None,
        sources: Mapping[str, str] | None = None,
        *,
        vertex: str = "",
        step: str = "",
        output: Sequence[str] = (),
        exit_code: int = 0,
    ) -> None:
        super().__init__(reason, location, sources or {})
        self.vertex = vertex
        self.step = step
        self.output = tuple(output)
        self.exit_code = exit_code
        log = [_RULE, f" > {step}:", *output, _RULE, ""] if step else []
        self.args = ("\n".join(log) + self.shown + f"failed to solve: {reason}",)


def build_failed(error: PierError) -> PierError:
    """The error as it leaves the build; a cancellation stays one."""
    if isinstance(error, Cancelled | BuildFailed):
        return error
    if isinstance(error, Fault):
        return BuildFailed(error.reason, error.location, error.sources)
    return BuildFailed(str(error) or type(error).__name__)


def step_failed(
    error: PierError, graph: Graph, failed: Sequence[VertexId], sources: Mapping[str, str], tails: "Tails"
) -> PierError:
    """What the solver raised, with the step that it came from."""
    vertex = graph.vertices.get(failed[0]) if failed else None
    if vertex is None or isinstance(error, Cancelled):
        return error
    reason = error.reason if isinstance(error, Fault) else str(error) or type(error).__name__
    output = tails.lines(vertex.id)
    exit_code = error.exit_code if isinstance(error, StepFailed) else 0
    return BuildFailed(
        reason, vertex.location, sources, vertex=vertex.id, step=vertex.name, output=output, exit_code=exit_code
    )


class Tails:
    """Passes progress on, and keeps the end of what each unfinished step wrote."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tails: dict[str, bytearray] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, LogPiece):
            tail = self._tails.setdefault(event.vertex, bytearray())
            tail += event.data
            if len(tail) > 2 * _TAIL:
                del tail[:-_TAIL]
        elif isinstance(event, VertexState) and event.completed and not event.error:
            self._tails.pop(event.id, None)
        self._progress(event)

    def lines(self, vertex: str) -> list[str]:
        """The last lines of its output."""
        text = bytes(self._tails.get(vertex, b"")).decode("utf-8", "replace")
        return text.splitlines()[-_LINES:]
