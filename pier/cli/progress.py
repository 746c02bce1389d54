"""Progress of pulls, pushes and loads: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os

from pier.cli.command import Failure
from pier.cli.relay import write_all
from pier.cli.terminal import is_terminal
from pier.cli.units import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Json = dict[str, Any]

BAR = 50
WIDE = 110


def show(messages: Iterable[Json], output: int = 1, on_aux: Callable[[Json], None] | None = None) -> None:
    """Print the daemon's messages to the descriptor ``output``. Raises Failure for one that says ``error``."""
    screen = _Screen(output) if is_terminal(output) else _Lines(output)
    for message in messages:
        if message.get("aux") is not None:
            if on_aux is not None:
                on_aux(message["aux"])
            continue
        error = message.get("errorDetail") or {}
        if error or message.get("error"):
            raise Failure(str(error.get("message") or message["error"]))
        screen.show(message)


def drain(messages: Iterable[Json]) -> None:
    """Wait for the end without printing. Raises Failure for a message that says ``error``."""
    for message in messages:
        if message.get("error"):
            raise Failure(str((message.get("errorDetail") or {}).get("message") or message["error"]))


def bar(detail: Json, width: int) -> str:
    """``[====>   ]  1.2MB/3MB``; without the bar where the terminal is narrow."""
    current, total = detail.get("current") or 0, detail.get("total") or 0
    units = detail.get("units") or ""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{current} {units}" if units else f"{size(current):>8}"
    done = min(int(current / total * 100) // 2, BAR)
    drawn = f"[{'=' * done}>{' ' * (BAR - done)}] " if width > WIDE else ""
    if detail.get("hidecounts"):
        return drawn
    if units:
        return f"{drawn}{current}/{total} {units}"
    return drawn + (f"{size(current):>8}" if current > total else f"{size(current):>8}/{size(total)}")


def _text(message: Json) -> str:
    head = f"{message['id']}: " if message.get("id") else ""
    return f"{head}{message.get('status', '')}"


class _Lines:
    """For files and pipes: what moves is left out."""

    def __init__(self, output: int) -> None:
        self._output = output

    def show(self, message: Json) -> None:
        if bar(message.get("progressDetail") or {}, WIDE + 1):
            return
        stream = message.get("stream")
        write_all(self._output, (stream or _text(message) + "\n").encode("utf-8", "surrogateescape"))


class _Screen:
    """For terminals: one line for each id, redrawn in its place.

    A line is cut to the terminal's width, for one that wraps could not be redrawn; one that has scrolled out of the
    terminal is left alone.
    """

    def __init__(self, output: int) -> None:
        self._output = output
        self._rows: dict[str, int] = {}

    def show(self, message: Json) -> None:
        identity, detail = message.get("id") or "", message.get("progressDetail")
        width, height = self._size()
        out: list[str] = []
        up = 0
        if identity and detail is not None:
            if identity not in self._rows:
                self._rows[identity] = len(self._rows)
                out.append("\n")
            up = len(self._rows) - self._rows[identity]
            if up >= height:
                return
            out.append(f"\x1b[{up}A")
        else:
            self._rows.clear()
        if message.get("stream"):
            out.append(message["stream"])
        elif detail is not None:
            line = f"{_text(message)} {bar(detail, width)}".rstrip()
            out.append(f"\x1b[2K\r{line[:width]}\r")
        else:
            out.append(_text(message) + "\n")
        if up:
            out.append(f"\x1b[{up}B")
        write_all(self._output, "".join(out).encode("utf-8", "surrogateescape"))

    def _size(self) -> tuple[int, int]:
        """Width and height; that of a terminal which does not tell is wide and high."""
        try:
            size = os.get_terminal_size(self._output)
        except OSError:
            return 200, 1000
        return size.columns or 200, size.lines or 1000
