"""Filters of cache records as BuildKit's clients write them: ``type==regular,inuse``, ``id~=abc`` (pure)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pier.errors import InvalidArgument

_CONDITION: Final = re.compile(r"\s*(\w+)\s*(?:(==|!=|~=)\s*(.*))?")

Fields = Mapping[str, str | None]
"""What a record has: flags have no value."""


class Filter:
    """Several filters: one must match, and of that every condition."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Raises InvalidArgument."""
        self._filters = [[_condition(part) for part in text.split(",")] for text in texts if text.strip()]

    def matches(self, fields: Fields) -> bool:
        return not self._filters or any(all(_holds(*each, fields) for each in one) for one in self._filters)


def _condition(text: str) -> tuple[str, str, str]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"failed to parse prune filters [{text}]: parse error")
    value = (match[3] or "").strip().strip("\"'")
    if match[2] == "~=":
        try:
            re.compile(value)
        except re.error as error:
            raise InvalidArgument(f"failed to parse prune filters [{text}]: {error}") from error
    return match[1], match[2] or "", value


def _holds(name: str, operator: str, value: str, fields: Fields) -> bool:
    if name not in fields:
        return operator == "!="
    found = fields[name] or ""
    if operator == "==":
        return found == value
    if operator == "!=":
        return found != value
    return operator != "~=" or re.search(value, found) is not None
