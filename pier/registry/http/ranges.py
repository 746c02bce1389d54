"""Ranges of bytes, as clients ask for them and as uploads name them (pure)."""

import re
from typing import Final

from pier.registry.refusals import Code, Refusal

_RANGE: Final = re.compile(r"bytes=\s*(\d{0,99})\s*-\s*(\d{0,99})\s*", re.A | re.I)
_CONTENT_RANGE: Final = re.compile(r"(?:bytes[ =])?\s*(\d{1,19})-(\d{1,19})(?:/(?:\d+|\*))?", re.A | re.I)


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """``Range`` of a download to ``(start, stop)``; None means all of it.

    What is no range of bytes, or several of them, means all (RFC 9110, 14.2), and so do the last bytes of nothing.
    Raises Refusal RANGE_INVALID for one that lies beyond ``size``.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        if not size and int(match[2]):
            return None
        start, stop = max(size - int(match[2]), 0), size
    else:
        start = int(match[1])
        last = int(match[2]) if match[2] else size - 1
        if match[2] and last < start:
            return None
        stop = min(last + 1, size)
    if start >= stop:
        raise Refusal(Code.RANGE_INVALID, "invalid content range", headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def offered(header: str | None) -> tuple[int, int] | None:
    """``Content-Range`` of a chunk, ``start-last``, to ``(start, stop)``; None where there is none.

    Raises Refusal RANGE_INVALID for what is none.
    """
    if header is None:
        return None
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise Refusal(Code.RANGE_INVALID, "invalid content range", {"range": header[:100]})
    return int(match[1]), int(match[2]) + 1


def reached(offset: int) -> str:
    """``Range`` of an upload that has ``offset`` bytes: the last one's number, and ``0-0`` for none, as everywhere."""
    return f"0-{max(offset - 1, 0)}"
