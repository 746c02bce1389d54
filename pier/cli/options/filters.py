"""``--filter name=value``."""

from __future__ import annotations


def one_filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


def grouped(filters: list[tuple[str, str]]) -> dict[str, list[str]]:
    """As the API takes them: every name with all its values."""
    groups: dict[str, list[str]] = {}
    for name, value in filters:
        groups.setdefault(name, []).append(value)
    return groups
