"""The live view of a build as lines of text (pure): the header, a line a step, the last output of what runs."""

from __future__ import annotations

from pier.cli.build.model import BILLION, Model, Step, amount

OUTPUT_LINES = 6
NAMED = "pier"
BLUE, RED, CYAN, AMBER, RESET = "\x1b[34m", "\x1b[31m", "\x1b[36m", "\x1b[33m", "\x1b[0m"


def picture(model: Model, now: int, width: int, height: int, *, colors: bool, finished: bool) -> list[str]:
    """At most ``height - 1`` lines of at most ``width`` columns; all of them once ``finished``.

    Where there is no room, steps that have ended give way first, the oldest before the others.
    """
    steps = [step for step in model.known if step.started or step.completed or step.cached]
    room = 1 << 30 if finished else max(height - 2, 1)
    blocks = [_block(step, now, width, colors, finished) for step in steps]
    blocks = _fitting(steps, blocks, room)
    return [_header(model, steps, now, width, colors, finished), *(line for block in blocks for line in block)]


def _fitting(steps: list[Step], blocks: list[list[str]], room: int) -> list[list[str]]:
    surplus = sum(map(len, blocks)) - room
    for index, step in enumerate(steps):
        if surplus <= 0:
            break
        if not step.running:
            surplus -= len(blocks[index])
            blocks[index] = []
    for index in range(len(blocks)):
        if surplus <= 0:
            break
        cut = max(len(blocks[index]) - 1, 0)
        surplus -= cut
        blocks[index] = blocks[index][:1]
    left = [block for block in blocks if block]
    return left[-room:]


def _header(model: Model, steps: list[Step], now: int, width: int, colors: bool, finished: bool) -> str:
    began = model.began()
    end = max((step.completed for step in steps), default=0) if finished else now
    seconds = max(end - began, 0) / BILLION if began else 0.0
    done = sum(1 for step in steps if step.completed or step.cached)
    total = len(model.known)
    text = f"[+] Building {seconds:.1f}s ({done}/{total})" + (" FINISHED" if finished else "")
    line = _cells(text, NAMED, width)
    return f"{BLUE}{line}{RESET}" if colors and finished else line


def _block(step: Step, now: int, width: int, colors: bool, finished: bool) -> list[str]:
    mark = "CANCELED " if step.canceled else "ERROR " if step.error else "CACHED " if step.cached else ""
    line = _cells(f" => {mark}{_one_line(step.name)}", f"{step.seconds(now):.1f}s", width)
    color = AMBER if step.canceled else RED if step.error else BLUE if step.completed or step.cached else ""
    lines = [f"{color}{line}{RESET}" if colors and color else line]
    for status in step.statuses.values():
        text = f" => => {_one_line(status.get('name') or status['id'])} {amount(status)}".rstrip()
        began, ended = status.get("started", 0), status.get("completed", 0)
        seconds = max((ended or now) - began, 0) / BILLION if began else 0.0
        line = _cells(text, f"{seconds:.1f}s", width)
        lines.append(f"{BLUE}{line}{RESET}" if colors and (ended or step.completed) else line)
    if step.running and not finished:
        lines += [_cut(f" => => # {_visible(text)}", width) for text in step.lines(OUTPUT_LINES)]
    return lines


def _cells(left: str, right: str, width: int) -> str:
    """``left`` and, at the far right, ``right``; in a narrow window ``left`` is cut, and at last stands alone."""
    room = width - len(right) - 1
    if room < 16:
        return _cut(left, width)
    return f"{_cut(left, room):<{room}} {right}"


def _cut(text: str, width: int) -> str:
    if columns(text) <= width:
        return text
    while text and columns(text) > max(width - 3, 0):
        text = text[:-1]
    return f"{text}..."[: max(width, 0)]


def columns(text: str) -> int:
    """How wide a terminal shows it."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _one_line(text: str) -> str:
    return " ".join(_visible(text).split())


def _visible(text: str) -> str:
    """Without what would move the cursor: of a line that was written over, the last state."""
    text = _without_escapes(text.rstrip("\r").rpartition("\r")[2].replace("\t", "    "))
    return "".join(char if char.isprintable() else " " for char in text)


def _without_escapes(text: str) -> str:
    head, *rest = text.split("\x1b")
    return head + "".join(map(_after_escape, rest))


def _after_escape(text: str) -> str:
    if not text.startswith("["):
        return text[1:]
    for index in range(1, len(text)):
        if "@" <= text[index] <= "~":
            return text[index + 1 :]
    return ""
