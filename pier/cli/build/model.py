"""What is known of a build while it runs (pure): steps in the order in which they were heard of.

Events are those of ``build/progress.py`` as JSON: whole states, the newest wins; fields at their default are absent.
"""

from __future__ import annotations

from binascii import a2b_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

BILLION = 1_000_000_000
TAIL = 64
CANCELED = "context canceled"


class Step:
    """A vertex. Times are nanoseconds since 1970, 0 for not yet. ``tail``: the last lines of its output."""

    __slots__ = ("cached", "completed", "error", "id", "name", "partial", "started", "statuses", "tail")

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.started = 0
        self.completed = 0
        self.cached = False
        self.error = ""
        self.statuses: dict[str, Json] = {}
        self.tail: list[str] = []
        self.partial = ""

    def seconds(self, now: int) -> float:
        """How long it has taken; ``now`` is for one that still runs."""
        return max((self.completed or now) - self.started, 0) / BILLION if self.started else 0.0

    @property
    def running(self) -> bool:
        return bool(self.started) and not self.completed

    @property
    def canceled(self) -> bool:
        return self.error.endswith(CANCELED)

    def lines(self, count: int) -> list[str]:
        """The last lines of output, with one that has not ended yet."""
        return (self.tail + ([self.partial] if self.partial else []))[-count:]

    def _wrote(self, text: str) -> None:
        *lines, self.partial = (self.partial + text).split("\n")
        self.tail = (self.tail + lines)[-TAIL:]


class Model:
    """``warnings``: what the linter found, as it came."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.warnings: list[Json] = []

    def apply(self, event: Json) -> Step | None:
        """Take note; the step that it is about, None for a finding of the linter."""
        kind = event["type"]
        if kind == "warning":
            self.warnings.append(event)
            return None
        if kind == "vertex":
            step = self._step(event["id"])
            step.name = event["name"]
            step.started = event.get("started", 0) or step.started
            step.completed = event.get("completed", 0)
            step.cached = event.get("cached", False)
            step.error = event.get("error", "")
            return step
        step = self._step(event["vertex"])
        if kind == "status":
            step.statuses[event["id"]] = event
        elif kind == "log":
            step._wrote(text_of(event))
        return step

    def _step(self, id: str) -> Step:
        if id not in self.steps:
            self.steps[id] = Step(id)
        return self.steps[id]

    @property
    def known(self) -> list[Step]:
        """Steps that have a name, which comes with their first state."""
        return [step for step in self.steps.values() if step.name]

    @property
    def done(self) -> int:
        return sum(1 for step in self.known if step.completed or step.cached)

    def began(self) -> int:
        """When the first step started, 0 for not yet."""
        return min((step.started for step in self.steps.values() if step.started), default=0)


def text_of(event: Json) -> str:
    """What a piece of output says; its end may be in the middle of a character, which is shown as ``?``."""
    return a2b_base64(event["data"]).decode("utf-8", "replace")


def amount(status: Json) -> str:
    """``1.2MB / 3MB`` of a transfer, as far as it is known."""
    from pier.cli.units import size

    current, total = status.get("current", 0), status.get("total", 0)
    if total:
        return f"{size(current)} / {size(total)}"
    return size(current) if current else ""
