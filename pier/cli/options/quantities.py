"""Sizes, CPU counts and durations as flags take them, in Docker's notation."""

from __future__ import annotations

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
BILLION = 10**9


def memory(text: str) -> int:
    """Bytes: ``64m``, ``1.5GiB``, ``1024``, always in powers of 1024."""
    cut = max(text.rfind(letter) for letter in "0123456789. ") + 1
    number, suffix = text[:cut].removesuffix(" "), text[cut:].lower()
    if cut == 0:
        raise ValueError(f"invalid size: '{text}'")
    try:
        size = float(number)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{number}": invalid syntax') from None
    if size < 0 or text.startswith("-"):
        raise ValueError(f"invalid size: '{text}'")
    if suffix in ("", "b"):
        return int(size)
    if suffix[0] not in UNITS or suffix[1:] not in ("", "b", "ib"):
        raise ValueError(f"invalid suffix: '{suffix}'")
    return int(size * UNITS[suffix[0]])


def memory_or_unlimited(text: str) -> int:
    return -1 if text == "-1" else memory(text)


def nano_cpus(text: str) -> int:
    """Billionths of a CPU: ``1.5``, ``1/2``, ``1e1``."""
    from decimal import Decimal, InvalidOperation

    above, _, below = text.partition("/")
    try:
        nano, divisor = Decimal(above) * BILLION, Decimal(below or "1")
        whole, rest = divmod(nano, divisor)
    except InvalidOperation:
        raise ValueError(f"failed to parse {text} as a rational number") from None
    if rest:
        raise ValueError("value is too precise")
    return int(whole)


def duration(text: str) -> int:
    """Nanoseconds of Go's ``1h30m0.5s``."""
    sign, rest = (-1 if text.startswith("-") else 1), text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = 0
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        letters = digits
        while letters < len(rest) and rest[letters] not in "0123456789.":
            letters += 1
        number, unit = rest[:digits], rest[digits:letters]
        if not number or number == "." or number.count(".") > 1:
            raise ValueError(f'time: invalid duration "{text}"')
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in NANOSECONDS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        whole, _, fraction = number.partition(".")
        scale = NANOSECONDS[unit]
        total += int(whole or 0) * scale + int(fraction or 0) * scale // 10 ** len(fraction)
        rest = rest[letters:]
    if not text.strip("+-"):
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total
