"""Docker's filter arguments (pure): parsing them, and the ways in which a value matches one.

On the wire a filter is JSON, ``{"label": ["a=b"], "status": ["running"]}``; clients older than API 1.22
send ``{"label": {"a=b": true}}``. Values of one key are alternatives, except for labels, which must all match.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pier.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Filters:
    """A parsed filter argument. A key that is absent matches everything."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.values)

    def __contains__(self, key: str) -> bool:
        return bool(self.values.get(key))

    def get(self, key: str) -> tuple[str, ...]:
        """All values given for ``key``, in order; empty when it is absent."""
        return self.values.get(key, ())

    def require_known(self, names: Iterable[str]) -> None:
        """Raise InvalidArgument for the first key that is not one of ``names``."""
        known = set(names)
        for key in self.values:
            if key not in known:
                raise InvalidArgument(f"invalid filter '{key}'")

    def exact(self, key: str, value: str) -> bool:
        """One of the values equals ``value``."""
        wanted = self.get(key)
        return not wanted or value in wanted

    def prefix(self, key: str, value: str) -> bool:
        """``value`` begins with one of the values."""
        wanted = self.get(key)
        return not wanted or value.startswith(wanted)

    def pattern(self, key: str, value: str) -> bool:
        """``value`` contains a match of one of the values as a regular expression, or equals it."""
        wanted = self.get(key)
        return not wanted or any(value == text or _search(key, text, value) for text in wanted)

    def match_label(self, labels: Mapping[str, str] | None, key: str = "label") -> bool:
        """Every ``name`` or ``name=value`` under ``key`` holds for ``labels``."""
        return all(_has_label(labels or {}, text) for text in self.get(key))

    def excluded_by_label(self, labels: Mapping[str, str] | None) -> bool:
        """``label!`` is given and every value of it holds (prune keeps such objects)."""
        return "label!" in self and self.match_label(labels, "label!")

    def boolean(self, key: str, default: bool) -> bool:
        """The value of a switch such as ``dangling``; InvalidArgument when it is not one of true, false, 1, 0."""
        wanted = self.get(key)
        if not wanted:
            return default
        if len(wanted) == 1 and wanted[0].lower() in ("1", "true", "0", "false"):
            return wanted[0].lower() in ("1", "true")
        raise InvalidArgument(f"invalid filter '{key}=[{' '.join(wanted)}]'")


NO_FILTERS = Filters()


def parse_filters(text: str | None) -> Filters:
    """Parse the ``filters`` query parameter; InvalidArgument when it is not of either form."""
    if not text:
        return NO_FILTERS
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("invalid filter") from error
    if not isinstance(decoded, dict):
        raise InvalidArgument("invalid filter")
    return Filters({key: _values(value) for key, value in decoded.items()})


def _values(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        value = [name for name, wanted in value.items() if wanted]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidArgument("invalid filter")
    return tuple(dict.fromkeys(value))


def _search(key: str, expression: str, value: str) -> bool:
    try:
        return re.search(expression, value) is not None
    except re.error as error:
        raise InvalidArgument(f"invalid filter '{key}={expression}': {error}") from error


def _has_label(labels: Mapping[str, str], text: str) -> bool:
    name, has_value, value = text.partition("=")
    return name in labels and (not has_value or labels[name] == value)
