"""The live view on a terminal: only lines that have changed are written, in one go, so that nothing flickers."""

from __future__ import annotations

import os
import time

from pier.cli.build.model import Model
from pier.cli.build.picture import picture
from pier.cli.relay import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

EVERY = 0.1
CLEAR = "\x1b[K"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Screen:
    def __init__(self, output: int, *, colors: bool) -> None:
        self.model = Model()
        self._output = output
        self._colors = colors
        self._shown: list[str] = []
        self._drawn_at = 0.0
        self._size = (0, 0)
        self._hidden = False

    def show(self, events: list[Json]) -> None:
        for event in events:
            self.model.apply(event)

    def tick(self) -> float | None:
        """Draw when it is time; how long until the next."""
        left = self._drawn_at + EVERY - time.monotonic()
        if left > 0:
            return left
        self._draw(finished=False)
        return EVERY

    def finish(self) -> None:
        """The last picture, which stays; the cursor is shown again."""
        self._draw(finished=True)
        if self._hidden:
            write_all(self._output, SHOW.encode())
            self._hidden = False

    def _draw(self, *, finished: bool) -> None:
        self._drawn_at = time.monotonic()
        try:
            size = os.get_terminal_size(self._output)
            width, height = size.columns or 80, size.lines or 24
        except OSError:
            width, height = 80, 24
        lines = picture(self.model, time.time_ns(), width, height, colors=self._colors, finished=finished)
        out = [] if self._hidden else [HIDE]
        self._hidden = True
        if self._shown:
            out.append(f"\x1b[{len(self._shown)}A\r")
        resized, self._size = self._size != (width, height), (width, height)
        for index, line in enumerate(lines):
            same = index < len(self._shown) and self._shown[index] == line and not resized
            out.append("\n" if same else f"{line}{CLEAR}\n")
        if len(lines) < len(self._shown) or resized:
            out.append("\x1b[J")
        self._shown = lines
        write_all(self._output, "".join(out).encode("utf-8", "replace"))
