"""Which entries of the cache a filter means (pure), in BuildKit's fields and operators.

A filter is terms that must all hold, joined by commas: ``type==regular``, ``id~=abc``, ``parent!=x``, ``shared``.
Several filters are alternatives.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pier.build.caching.usage import MUTABLE, Entry
from pier.errors import InvalidArgument

FLAGS: Final = ("inuse", "mutable", "immutable", "shared", "private")
TEXTS: Final = ("id", "parent", "type", "description")
_TERM: Final = re.compile(r"(\w+)(?:(==|!=|~=|!$)(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """``operator``: ``==``, ``!=``, ``~=`` (a regular expression, or a part of the text); of flags: empty or ``!``."""

    field: str
    operator: str = ""
    value: str = ""


Selection = tuple[tuple[Term, ...], ...]
"""Alternatives; none at all means everything."""


def parse_selection(filters: Iterable[str]) -> Selection:
    """Raises InvalidArgument for a field that there is not, or what is no term."""
    return tuple(tuple(_term(text.strip()) for text in filter.split(",")) for filter in filters if filter)


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None or found[1] not in FLAGS + TEXTS:
        raise InvalidArgument(f"failed to parse prune filters [{text}]: unknown field")
    return Term(found[1], found[2] or "", _unquoted(found[3] or ""))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def chosen(entry: Entry, selection: Selection) -> bool:
    return not selection or any(all(_holds(entry, term) for term in terms) for terms in selection)


def _holds(entry: Entry, term: Term) -> bool:
    if term.field in FLAGS:
        flag = _flags(entry)[term.field]
        return not flag if term.operator == "!" else flag and term.operator in ("", "!=")
    text = _text(entry, term.field)
    if term.operator == "==":
        return text == term.value
    if term.operator == "!=":
        return text != term.value
    if term.operator == "~=":
        return term.value in text or _search(term.value, text)
    return bool(text)


def _flags(entry: Entry) -> Mapping[str, bool]:
    mutable = entry.record.kind in MUTABLE
    return {
        "inuse": entry.in_use,
        "mutable": mutable,
        "immutable": not mutable,
        "shared": entry.shared,
        "private": not entry.shared,
    }


def _text(entry: Entry, field: str) -> str:
    if field == "parent":
        return ";".join(entry.parents)
    return {"id": entry.id, "type": entry.record.kind, "description": entry.record.description}[field]


def _search(expression: str, text: str) -> bool:
    try:
        return re.search(expression, text) is not None
    except re.error as error:
        raise InvalidArgument(f"invalid filter '{expression}': {error}") from error
