"""The terminal that we run in: its size, raw mode, and the keys that detach from a container."""

from __future__ import annotations

import os

from pier.cli.command import Failure
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

DEFAULT_KEYS = "ctrl-p,ctrl-q"
CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def size() -> tuple[int, int] | None:
    """Height and width, None when there is no terminal."""
    try:
        width, height = os.get_terminal_size(1)
    except OSError:
        return None
    return height, width


def require_input_terminal(attach_stdin: bool, tty: bool) -> None:
    """A terminal in the container needs one here when input goes to it. Raises Failure."""
    if tty and attach_stdin and not is_terminal(0):
        raise Failure("the input device is not a TTY")


class RawMode:
    """Standard input passes every key on while the block runs; restored however it ends."""

    __slots__ = ("_saved", "_wanted")

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted and is_terminal(0)
        self._saved: Any = None

    def __enter__(self) -> None:
        if not self._wanted:
            return
        import termios

        self._saved = termios.tcgetattr(0)
        mode = termios.tcgetattr(0)
        mode[0] &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
        ) & ~(termios.ICRNL | termios.IXON)
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN] = 1
        mode[6][termios.VTIME] = 0
        termios.tcsetattr(0, termios.TCSANOW, mode)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._saved is not None:
            import termios

            termios.tcsetattr(0, termios.TCSANOW, self._saved)


def parse_keys(text: str) -> bytes:
    """``ctrl-p,ctrl-q`` or ``a,b`` as the bytes that those keys send. Raises InvalidArgument."""
    keys = bytearray()
    for name in text.split(","):
        letter = name.removeprefix("ctrl-")
        if len(name) == 1 and name.isascii():
            keys.append(ord(name))
        elif name.startswith("ctrl-") and len(letter) == 1 and (letter in CONTROL or "a" <= letter <= "z"):
            keys.append(CONTROL.get(letter, ord(letter) - 96))
        else:
            raise InvalidArgument(f"invalid detach keys ({text}): unknown character: '{name}'")
    return bytes(keys)


class KeyWatch:
    """Looks for the detaching keys in what is typed; keys that only began like them are passed on."""

    __slots__ = ("_held", "keys")

    def __init__(self, keys: bytes) -> None:
        self.keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether the user has detached."""
        out = bytearray()
        held = self._held
        for position in range(len(data)):
            byte = data[position : position + 1]
            if byte == self.keys[len(held) : len(held) + 1]:
                held += byte
                if held == self.keys:
                    self._held = b""
                    return bytes(out), True
                continue
            out += held
            held = byte if byte == self.keys[:1] else b""
            if not held:
                out += byte
        self._held = held
        return bytes(out), False
