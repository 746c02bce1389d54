"""Signals by name or number (pure)."""

import signal
from typing import Final

from pier.errors import InvalidArgument

_REAL_TIME: Final = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)


def _names() -> dict[str, int]:
    names = {name.removeprefix("SIG"): int(number) for name, number in signal.Signals.__members__.items()}
    names["IOT"], names["STKFLT"] = int(signal.SIGABRT), 16
    low, high = _REAL_TIME.start, _REAL_TIME.stop - 1
    names.update({f"RTMIN+{n}": low + n for n in range(1, 16)}, **{f"RTMAX-{n}": high - n for n in range(1, 15)})
    return names


_NUMBERS: Final = _names()


def parse_signal(text: str) -> int:
    """``9``, ``KILL``, ``SIGKILL``, ``sigkill``, ``RTMIN+3``. InvalidArgument ``invalid signal: x``."""
    if text.lstrip("+-").isdigit():
        number = int(text)
        if number <= 0:
            raise InvalidArgument(f"invalid signal: {text}")
        if number not in _NUMBERS.values() and number not in _REAL_TIME:
            raise InvalidArgument(f"the linux daemon does not support signal {number}")
        return number
    found = _NUMBERS.get(text.upper().removeprefix("SIG"))
    if found is None:
        raise InvalidArgument(f"invalid signal: {text}")
    return found


def stop_signal(configured: str) -> int:
    """A container's stop signal: SIGTERM when it names none, or a wrong one (an old record)."""
    try:
        return parse_signal(configured) if configured else int(signal.SIGTERM)
    except InvalidArgument:
        return int(signal.SIGTERM)
