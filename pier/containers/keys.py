"""Detach keys (pure): the sequence that lets go of a terminal without ending what runs in it."""

from typing import Final

from pier.errors import InvalidArgument

DEFAULT: Final = b"\x10\x11"
_CONTROL: Final = {f"ctrl-{chr(code + 96)}": code for code in range(1, 27)} | {
    "ctrl-@": 0,
    "ctrl-[": 27,
    "ctrl-\\": 28,
    "ctrl-]": 29,
    "ctrl-^": 30,
    "ctrl-_": 31,
}


def parse_keys(text: str) -> bytes:
    """``ctrl-p,ctrl-q`` or single characters, comma-separated; empty is the default. InvalidArgument."""
    if not text:
        return DEFAULT
    return bytes(_key(text, key) for key in text.split(","))


def _key(text: str, key: str) -> int:
    if key in _CONTROL:
        return _CONTROL[key]
    if len(key) == 1 and key.isascii():
        return ord(key)
    raise InvalidArgument(f"Invalid detach keys ({text}) provided: Unknown character: '{key}'")


class DetachFilter:
    """Takes what is typed, gives what is to be passed on; :attr:`detached` once the whole sequence was typed.

    A beginning of the sequence is held back until it is clear that it is none.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0
        self.detached = False

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on; nothing after the sequence."""
        if self._matched == 0 and self._keys[:1] not in data:
            return data
        passed = bytearray()
        for byte in data:
            passed += self._step(byte)
            if self.detached:
                break
        return bytes(passed)

    def _step(self, byte: int) -> bytes:
        if byte == self._keys[self._matched]:
            self._matched += 1
            self.detached = self._matched == len(self._keys)
            return b""
        held, self._matched = self._keys[: self._matched], 0
        if byte == self._keys[0]:
            self._matched = 1
            self.detached = len(self._keys) == 1
            return held
        return held + bytes((byte,))
