"""``--chmod``: octal or symbolic (pure; chmod(1))."""

import re
from collections.abc import Callable
from typing import Final

from pier.errors import InvalidArgument

_CLAUSE: Final = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*)+)")
_ACTION: Final = re.compile(r"([-+=])([rwxXst]*)")
_WHO: Final = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_BITS: Final = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}


def parse_mode(text: str) -> Callable[[int], int]:
    """From a file's ``st_mode`` to its new permissions. InvalidArgument for what is no mode."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        fixed = int(text, 8)
        return lambda mode: fixed
    clauses = [_CLAUSE.fullmatch(part) for part in text.split(",")]
    if not text or not all(clauses):
        raise InvalidArgument(f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
    steps = [(each[1], _ACTION.findall(each[2])) for each in clauses if each]
    return lambda mode: _applied(mode, steps)


def _applied(mode: int, steps: list[tuple[str, list[tuple[str, str]]]]) -> int:
    permissions = mode & 0o7777
    is_folder = mode & 0o170000 == 0o040000
    for who, actions in steps:
        mask = sum(_WHO[each] for each in set(who) - {"a"}) if who and "a" not in who else 0o7777
        for sign, letters in actions:
            bits = 0
            for letter in letters:
                executable = is_folder or permissions & 0o111
                bits |= _BITS["x"] * bool(executable) if letter == "X" else _BITS[letter]
            bits &= mask
            if sign == "=":
                permissions = permissions & ~(mask & (0o777 if is_folder else 0o7777)) | bits
            else:
                permissions = permissions | bits if sign == "+" else permissions & ~bits
    return permissions
