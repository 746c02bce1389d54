"""Which view of the progress the user gets."""

from __future__ import annotations

import os
import time

from pier.cli.command import Failure
from pier.cli.relay import write_all
from pier.cli.terminal import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from pier.cli.build.model import Model

    Json = dict[str, Any]

    class View(Protocol):
        @property
        def model(self) -> Model: ...
        def show(self, events: list[Json]) -> None: ...
        def tick(self) -> float | None: ...
        def finish(self) -> None: ...


MODES = ("auto", "plain", "tty", "quiet", "none", "rawjson")
HEADING = 'building with "default" instance using pier driver'


class Quiet:
    """Says nothing, and remembers what failed."""

    def __init__(self) -> None:
        from pier.cli.build.model import Model

        self.model = Model()

    def show(self, events: list[Json]) -> None:
        for event in events:
            self.model.apply(event)

    def tick(self) -> float | None:
        return None

    def finish(self) -> None:
        """There is nothing to end."""


def view_for(mode: str) -> View:
    """``mode`` is ``--progress``, or empty. Raises Failure."""
    mode = mode or os.environ.get("BUILDKIT_PROGRESS") or "auto"
    if mode not in MODES:
        raise Failure(f"ERROR: invalid progress mode {mode}")
    if mode in ("quiet", "none"):
        return Quiet()
    if mode == "rawjson":
        from pier.cli.build.rawjson import RawJson

        return RawJson(_to_errors)
    if mode == "tty" and not is_terminal(2):
        raise Failure("ERROR: failed to get console: provided file is not a console")
    if mode == "tty" or (mode == "auto" and is_terminal(2)):
        from pier.cli.build.screen import Screen

        return Screen(2, colors="NO_COLOR" not in os.environ)
    from pier.cli.build.plain import Plain

    return Plain(_to_errors, time.monotonic, HEADING)


def _to_errors(text: str) -> None:
    write_all(2, text.encode("utf-8", "surrogateescape"))
