"""Flag values: what each kind of flag accepts, in the words of Go's strconv where Docker shows those.

A kind is (type shown in help, how values add up, parser). Parsers raise ``ValueError`` with the
reason; those of a noun live in ``options`` and are imported when first needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ONE = "one"
LIST = "list"
MAP = "map"

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


_ESCAPES = {ord(char): "\\" + letter for char, letter in zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True)}


def go_quote(text: str) -> str:
    """Go's strconv.Quote."""
    return '"' + "".join(_go_escape(char) for char in text) + '"'


def _go_escape(char: str) -> str:
    code = ord(char)
    if escaped := _ESCAPES.get(code):
        return escaped
    if char.isprintable():
        return char
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def boolean(text: str) -> bool:
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError(f"strconv.ParseBool: parsing {go_quote(text)}: invalid syntax")


def _go_int(text: str, function: str, low: int, high: int) -> int:
    digits = text.lstrip("+-") if function == "ParseInt" else text
    old_octal = len(digits) > 1 and digits[0] == "0" and digits.isdecimal()
    try:
        number = int(digits, 8 if old_octal else 0)
        if not digits[:1].isdecimal() or len(text) > len(digits) + 1:
            raise ValueError
    except ValueError:
        raise ValueError(f"strconv.{function}: parsing {go_quote(text)}: invalid syntax") from None
    number = -number if text.startswith("-") else number
    if not low <= number <= high:
        raise ValueError(f"strconv.{function}: parsing {go_quote(text)}: value out of range")
    return number


def integer(text: str) -> int:
    return _go_int(text, "ParseInt", -(1 << 63), (1 << 63) - 1)


def uint16(text: str) -> int:
    return _go_int(text, "ParseUint", 0, 65535)


def uint64(text: str) -> int:
    return _go_int(text, "ParseUint", 0, (1 << 64) - 1)


def string(text: str) -> str:
    return text


def comma_list(text: str) -> list[str]:
    """A flag of kind "strings": commas separate, quotes protect."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]))


KINDS: dict[str, tuple[str, str, Callable[[str], Any] | str]] = {
    "bool": ("", ONE, boolean),
    "string": ("string", ONE, string),
    "int": ("int", ONE, integer),
    "uint16": ("uint16", ONE, uint16),
    "uint": ("uint", ONE, uint64),
    "list": ("list", LIST, string),
    "strings": ("strings", LIST, comma_list),
    "map": ("map", LIST, string),
    "bytes": ("bytes", ONE, "options.quantities:memory"),
    "swap": ("bytes", ONE, "options.quantities:memory_or_unlimited"),
    "decimal": ("decimal", ONE, "options.quantities:nano_cpus"),
    "duration": ("duration", ONE, "options.quantities:duration"),
    "ulimit": ("ulimit", LIST, "options.resources:ulimit"),
    "weight-device": ("list", LIST, "options.resources:weight_device"),
    "bps-device": ("list", LIST, "options.resources:bps_device"),
    "iops-device": ("list", LIST, "options.resources:iops_device"),
    "sysctl": ("map", LIST, "options.resources:sysctl"),
    "mount": ("mount", LIST, "options.mounts:mount"),
    "network": ("network", LIST, "options.networking:network"),
    "env": ("list", LIST, "options.environment:variable"),
    "label": ("list", LIST, "options.environment:label"),
    "attach": ("list", LIST, "options.environment:attach_stream"),
    "add-host": ("list", LIST, "options.networking:extra_host"),
    "dns": ("list", LIST, "options.networking:dns_server"),
    "dns-search": ("list", LIST, "options.networking:dns_search"),
    "link": ("list", LIST, "options.networking:link"),
    "filter": ("filter", LIST, "options.filters:one_filter"),
    "gpus": ("gpu-request", ONE, string),
}


def shown_type(kind: str) -> str:
    return KINDS[kind][0]


def parse(kind: str, text: str) -> Any:
    """The value of one occurrence. Raises ``ValueError`` with the reason."""
    parser = KINDS[kind][2]
    if isinstance(parser, str):
        module, _, function = parser.partition(":")
        parser = getattr(__import__(f"pier.cli.{module}", fromlist=(function,)), function)
    return parser(text)


def add(values: dict[str, Any], name: str, kind: str, text: str) -> None:
    """Put one occurrence of flag ``name`` among ``values``: lists grow, the rest is replaced."""
    value = parse(kind, text)
    if KINDS[kind][1] == ONE:
        values[name] = value
    elif kind == "strings":
        values.setdefault(name, []).extend(value)
    else:
        values.setdefault(name, []).append(value)
