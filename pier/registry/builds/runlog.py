"""A build's log: of one that says too much the beginning and the end are kept (pure)."""

from typing import Final

_HALF: Final = 512 << 10
_GAP: Final = "\n[... {} bytes are left out here ...]\n"


class RunLog:
    """Counts bytes of UTF-8. ``changed``: since it was last read."""

    def __init__(self, half: int = _HALF) -> None:
        self._half = half
        self._begin = bytearray()
        self._end = bytearray()
        self._left_out = 0
        self.changed = False

    def add(self, text: str) -> None:
        data = text.replace("\0", "").encode(errors="replace")
        room = self._half - len(self._begin)
        self._begin += data[:room]
        self._end += data[room:]
        if len(self._end) > 2 * self._half:
            self._cut()
        self.changed = True

    def _cut(self) -> None:
        surplus = max(len(self._end) - self._half, 0)
        self._left_out += surplus
        del self._end[:surplus]

    def text(self) -> str:
        self.changed = False
        self._cut()
        gap = _GAP.format(self._left_out) if self._left_out else ""
        begin, end = bytes(self._begin), bytes(self._end)
        if not gap:
            return (begin + end).decode()
        return begin.decode(errors="ignore") + gap + end.decode(errors="ignore")
