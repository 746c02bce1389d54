"""Progress as plain lines, to the letter as BuildKit's clients print it."""

from __future__ import annotations

from pier.cli.build.model import BILLION, Model, Step, amount, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]

PATIENCE = 1.0  # a step that is silent for so long makes room for others
STATUS_EVERY = 5 * BILLION


class Plain:
    """Steps take turns: one that has begun to tell is let finish, unless it is silent while others have something."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float], heading: str = "") -> None:
        self._write = write
        self._clock = clock
        self._model = Model()
        self._numbers: dict[str, int] = {}
        self._waiting: dict[str, list[Json]] = {}
        self._current = ""
        self._silent_since = 0.0
        self._open_line = False
        self._fresh = True
        self._told: dict[tuple[str, str], int] = {}
        if heading:
            self._write(f"#0 {heading}\n")
            self._fresh = False

    @property
    def model(self) -> Model:
        return self._model

    def show(self, events: list[Json]) -> None:
        for event in events:
            step = self._model.apply(event)
            if step is not None:
                self._waiting.setdefault(step.id, []).append(event)
        self._flush()

    def tick(self) -> float | None:
        self._flush()
        return PATIENCE / 2 if self._waiting else None

    def finish(self) -> None:
        """Tell what still waits."""
        while self._waiting:
            self._tell(next(iter(self._waiting)))
        self._break_line()

    def _flush(self) -> None:
        while self._waiting:
            if self._current:
                if self._current in self._waiting:
                    self._tell(self._current)
                    continue
                if self._clock() - self._silent_since < PATIENCE:
                    return
            ready = next((id for id in self._waiting if self._tellable(id)), None)
            if ready is None:
                return
            self._tell(ready)

    def _tellable(self, id: str) -> bool:
        step = self._model.steps[id]
        return bool(step.name) and bool(step.started or step.completed or step.cached)

    def _tell(self, id: str) -> None:
        step = self._model.steps[id]
        events = self._waiting.pop(id)
        number = self._numbers.setdefault(id, len(self._numbers) + 1)
        if self._current != id:
            self._begin(number, step)
        self._current = id
        self._silent_since = self._clock()
        for event in events:
            if event["type"] == "log":
                self._output(number, step, event)
            elif event["type"] == "status":
                self._status(number, event)
        if step.completed:
            self._end(number, step)

    def _begin(self, number: int, step: Step) -> None:
        if self._current:
            self._break_line()
            self._write(f"#{self._numbers[self._current]} ...\n")
        if not self._fresh:
            self._write("\n")
        self._fresh = False
        self._write(f"#{number} {step.name}\n")

    def _end(self, number: int, step: Step) -> None:
        self._break_line()
        if step.canceled:
            self._write(f"#{number} CANCELED\n")
        elif step.error:
            self._write(f"#{number} ERROR: {step.error}\n")
        elif step.cached:
            self._write(f"#{number} CACHED\n")
        else:
            self._write(f"#{number} DONE {step.seconds(step.completed):.1f}s\n")
        self._current = ""

    def _output(self, number: int, step: Step, event: Json) -> None:
        seconds = max(event.get("time", 0) - step.started, 0) / BILLION
        head = f"#{number} {f'{seconds:.4f}'[:5]} "
        for line in text_of(event).splitlines(keepends=True):
            self._write(line if self._open_line else head + line)
            self._open_line = not line.endswith("\n")

    def _status(self, number: int, event: Json) -> None:
        key = (event["vertex"], event["id"])
        completed = event.get("completed", 0)
        moment = completed or event.get("started", 0) + event.get("current", 0)
        if not completed and moment - self._told.get(key, -STATUS_EVERY) < STATUS_EVERY:
            return
        self._told[key] = moment
        self._break_line()
        words = [f"#{number}", event.get("name") or event["id"], amount(event)]
        if completed:
            words.append(f"{max(completed - event.get('started', completed), 0) / BILLION:.1f}s done")
        self._write(" ".join(word for word in words if word) + "\n")

    def _break_line(self) -> None:
        if self._open_line:
            self._write("\n")
            self._open_line = False
