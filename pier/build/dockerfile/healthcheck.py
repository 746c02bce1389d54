"""The flags of HEALTHCHECK (pure)."""

import re
from typing import Final

import msgspec

from pier.build.dockerfile.flags import Flags, Kind
from pier.build.dockerfile.shell import quoted
from pier.errors import InvalidArgument
from pier.events.timestamps import parse_duration

FLAGS: Final[dict[str, Kind]] = {
    "interval": "string",
    "timeout": "string",
    "start-period": "string",
    "start-interval": "string",
    "retries": "string",
}
_MILLISECOND: Final = 1_000_000
_MOST_RETRIES: Final = 2**31 - 1


class HealthcheckError(ValueError):
    pass


class Times(msgspec.Struct, frozen=True):
    """Nanoseconds, and a count; 0 where nothing was given."""

    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int


def read_times(flags: Flags) -> Times:
    return Times(
        interval=_duration("interval", flags.text("interval")),
        timeout=_duration("timeout", flags.text("timeout")),
        start_period=_duration("start-period", flags.text("start-period")),
        start_interval=_duration("start-interval", flags.text("start-interval")),
        retries=_retries(flags.text("retries")),
    )


def _duration(name: str, text: str) -> int:
    if not text:
        return 0
    try:
        duration = parse_duration(text)
    except InvalidArgument as error:
        raise HealthcheckError(str(error)) from error
    if duration and duration < _MILLISECOND:
        raise HealthcheckError(f'Interval "{name}" cannot be less than 1ms')
    return duration


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise HealthcheckError(f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax")
    count = int(text[:40])
    if abs(count) > _MOST_RETRIES:
        raise HealthcheckError(f"strconv.ParseInt: parsing {quoted(text)}: value out of range")
    if count < 0:
        raise HealthcheckError(f"--retries cannot be negative ({count})")
    return count
