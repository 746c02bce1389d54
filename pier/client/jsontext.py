"""JSON text to values and back without the ``json`` package, whose import of ``re`` costs 5 ms.

The accelerator behind ``json`` is used directly; where an interpreter lacks it, ``json`` itself is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _ScannerOptions:
    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}


def _decoder() -> Callable[[str], Any]:
    try:
        from _json import make_scanner
    except ImportError:
        import json

        return json.loads
    scan = make_scanner(_ScannerOptions())  # type: ignore[arg-type]  # any object with these attributes will do

    def decode(text: str) -> Any:
        stripped = text.strip()
        try:
            value, end = scan(stripped, 0)
        except (StopIteration, SystemError, RecursionError):  # SystemError: it has no exception without json.decoder
            raise _complaint(stripped) from None
        if end != len(stripped):
            raise _complaint(stripped)
        return value

    return decode


def _complaint(text: str) -> ValueError:
    """What ``json`` says about a text that is none, and where in it."""
    import json

    try:
        json.loads(text, strict=False)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("nested too deeply")
    return ValueError("invalid JSON")


def _encoder() -> Callable[[Any], str]:
    try:
        from _json import encode_basestring, make_encoder
    except ImportError:
        import json

        return lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def refuse(value: object) -> object:
        raise TypeError(f"{type(value).__name__} is not JSON")

    chunks = make_encoder(None, refuse, encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0))


decode = _decoder()
"""Text to a value; ``ValueError`` when it is not one JSON value."""

encode = _encoder()
"""A value to compact text; keys keep their order, non-ASCII stays as it is."""
