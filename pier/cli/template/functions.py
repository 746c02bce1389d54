"""The functions that templates may call: Go's own and Docker's."""

from __future__ import annotations

from pier.cli.template.printing import go_format, go_text, is_true
from pier.client.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _json(value: Any) -> str:
    plain = getattr(value, "as_json", None)
    return str(plain()) if plain is not None else encode(value)


def _join(parts: Any, separator: str = "") -> str:
    return separator.join(go_text(part) for part in parts or ())


def _title(text: str) -> str:
    return "".join(
        letter.upper() if not index or not text[index - 1].isalnum() else letter for index, letter in enumerate(text)
    )


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, (list, str)) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise ValueError(f"error calling index: index out of range: {key}")
            value = value[key] if isinstance(value, list) else ord(value[key])
        elif value is None:
            raise ValueError("error calling index: index of untyped nil")
        else:
            raise ValueError(f"error calling index: can't index item of type {type(value).__name__}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    low, high = (*bounds, None)[:2] if bounds else (0, None)
    return value[low:high]


def _length(value: Any) -> int:
    if isinstance(value, (dict, list, str)):
        return len(value.encode()) if isinstance(value, str) else len(value)
    if value is None:
        return 0
    raise ValueError(f"error calling len: len of type {type(value).__name__}")


def _and(first: Any, *rest: Any) -> Any:
    for value in rest:
        if not is_true(first):
            return first
        first = value
    return first


def _or(first: Any, *rest: Any) -> Any:
    for value in rest:
        if is_true(first):
            return first
        first = value
    return first


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("error calling eq: missing argument for comparison")
    for other in others:
        if first is not None and other is not None and _kind(first) != _kind(other):
            raise ValueError("error calling eq: incompatible types for comparison")
        if first == other:
            return True
    return False


def _less(name: str, test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(first: Any, second: Any) -> bool:
        if _kind(first) != _kind(second) or _kind(first) not in ("number", "str"):
            raise ValueError(f"error calling {name}: incompatible types for comparison")
        return test(first, second)

    return compare


def _print(*values: Any) -> str:
    out: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            out.append(" ")
        out.append(go_text(value))
    return "".join(out)


def _escape_html(*values: Any) -> str:
    text = _print(*values)
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        text = text.replace(letter, entity)
    return text


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "join": _join,
    "split": lambda text, separator: text.split(separator),
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "title": _title,
    "pad": _pad,
    "truncate": lambda text, length: text[:length],
    "println": lambda *values: " ".join(go_text(value) for value in values) + "\n",
    "print": _print,
    "printf": lambda form, *values: go_format(form, values),
    "html": _escape_html,
    "index": _index,
    "slice": _slice,
    "len": _length,
    "and": _and,
    "or": _or,
    "not": lambda value: not is_true(value),
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": _less("lt", lambda first, second: bool(first < second)),
    "le": _less("le", lambda first, second: bool(first <= second)),
    "gt": _less("gt", lambda first, second: bool(first > second)),
    "ge": _less("ge", lambda first, second: bool(first >= second)),
}
