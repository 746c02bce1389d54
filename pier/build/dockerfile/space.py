"""What counts as white space in a Dockerfile (pure): Go's ``unicode.IsSpace``, and for words ASCII's alone."""

import re
from typing import Final

BLANKS: Final = re.compile(r"[\t\v\f\r ]+")
"""What separates an instruction from its arguments, and plain arguments."""

_NOT_SPACE: Final = frozenset("\x1c\x1d\x1e\x1f")  # Python's str.isspace has them, Go has not
_SPACES: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def is_space(char: str) -> bool:
    return char.isspace() and char not in _NOT_SPACE


def strip(text: str) -> str:
    return text.strip(_SPACES)


def strip_left(text: str) -> str:
    return text.lstrip(_SPACES)
