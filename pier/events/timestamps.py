"""The points in time that clients send (pure): ``since``, ``until`` and ``--filter until=``.

Accepted as Docker does: Unix seconds with an optional fraction (``1700000000.5``), a Go duration back from
now (``10m``, ``1h30m``), or a date in RFC 3339 with any of its tail left out (``2026-01-02T15:04``; UTC then).
"""

import re
from datetime import UTC, datetime
from typing import Final

from pier.errors import InvalidArgument

SECOND: Final = 1_000_000_000
_UNITS: Final = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIX: Final = re.compile(r"(-?\d{1,12})(?:\.(\d{1,9})\d*)?")
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?)?(Z|[+-]\d\d:\d\d)?")


def parse_duration(text: str) -> int:
    """A Go duration in nanoseconds; InvalidArgument when it is none."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    parts = _PART.findall(rest)
    if rest != "0" and (not parts or "".join(number + unit for number, unit in parts) != rest):
        raise InvalidArgument(f'time: invalid duration "{text}"')
    return sign * sum(round(float(number) * _UNITS[unit]) for number, unit in parts)


def parse_timestamp(text: str, now_ns: int) -> int:
    """Nanoseconds since the epoch; InvalidArgument when ``text`` is none of the three forms."""
    if unix := _UNIX.fullmatch(text):
        whole, fraction = unix.groups()
        return int(whole) * SECOND + int((fraction or "").ljust(9, "0"))
    if date := _DATE.fullmatch(text):
        return _date_ns(text, *date.groups())
    try:
        return now_ns - parse_duration(text)
    except InvalidArgument as error:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"') from error


def _date_ns(
    text: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    zone: str | None,
) -> int:
    try:
        moment = datetime.fromisoformat(f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone or 'Z'}")
        seconds = int(moment.astimezone(UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f'invalid timestamp "{text}": {error}') from error
    return seconds * SECOND + int((fraction or "").ljust(9, "0"))


def rfc3339(time_ns: int) -> str:
    """``2026-01-02T03:04:05.123456789Z``, trailing zeros of the fraction dropped as Go does; 0 is year 1."""
    if time_ns == 0:
        return "0001-01-01T00:00:00Z"
    seconds, fraction = divmod(time_ns, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    tail = f"{fraction:09d}".rstrip("0")
    return f"{text}.{tail}Z" if tail else f"{text}Z"
