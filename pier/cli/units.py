"""Sizes and durations as people read them, to the digit as Docker prints them."""

from __future__ import annotations

import time

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def _scaled(size: float, base: float, names: tuple[str, ...], digits: int) -> str:
    index = 0
    while size >= base and index < len(names) - 1:
        size /= base
        index += 1
    return f"{size:.{digits}g}{names[index]}"


def size(count: float, digits: int = 4) -> str:
    """Powers of 1000: ``4.43MB``."""
    return _scaled(count, 1000.0, DECIMAL, digits)


def binary_size(count: float, digits: int = 4) -> str:
    """Powers of 1024: ``1.5GiB``."""
    return _scaled(count, 1024.0, BINARY, digits)


def duration(seconds: float) -> str:
    """``2 minutes``, ``About an hour``."""
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


def ago(timestamp: float, now: float | None = None) -> str:
    """``3 days ago`` for a time in seconds since 1970."""
    return f"{duration((time.time() if now is None else now) - timestamp)} ago"


def go_time(timestamp: int) -> str:
    """As Go prints a time: ``2026-11-21 03:23:14 +0000 UTC``, in our own zone."""
    local = time.localtime(timestamp)
    zone = local.tm_zone
    return time.strftime("%Y-%m-%d %H:%M:%S %z ", local) + zone


def parse_rfc3339(text: str) -> float:
    """Seconds since 1970 of an API time stamp; 0 for none or nonsense."""
    stamp, _, fraction = text.removesuffix("Z").partition(".")
    offset = 0
    tail = fraction or stamp[19:]
    for sign, factor in (("+", 1), ("-", -1)):
        if sign in tail:
            hours, _, minutes = tail.partition(sign)[2].partition(":")
            offset = factor * (int(hours) * 3600 + int(minutes or 0) * 60)
            fraction = fraction.partition(sign)[0]
    parts = stamp[:19].replace("T", "-").replace(":", "-").replace(" ", "-").split("-")
    if len(parts) != 6 or not all(part.isdecimal() for part in parts) or parts[0] == "0001":
        return 0.0
    year, month, day, hour, minute, second = (int(part) for part in parts)
    whole = _days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    return whole + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def _days_since_1970(year: int, month: int, day: int) -> int:
    from datetime import date

    return date(year, month, day).toordinal() - 719163


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last one an ellipsis when some are lost."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
