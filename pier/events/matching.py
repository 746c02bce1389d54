"""Which events a filter of ``/events`` lets through (pure)."""

from collections.abc import Mapping
from typing import Final

from pier.events.filters import Filters

KEYS: Final = (
    "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin",
    "scope", "secret", "service", "type", "volume",
)  # fmt: skip
_OBJECTS: Final = ("container", "daemon", "network", "plugin", "volume", "service", "node", "secret", "config")
_WITH_DETAIL: Final = ("health_status", "exec_create", "exec_start")


def matches(filters: Filters, type: str, action: str, actor_id: str, attributes: Mapping[str, str]) -> bool:
    """Whether the event passes: every key that is given must match."""
    if not filters:
        return True
    return (
        filters.exact("type", type)
        and filters.exact("scope", "local")
        and _action(filters, action)
        and filters.match_label(attributes)
        and _image(filters, type, actor_id, attributes)
        and all(_object(filters, kind, type, actor_id, attributes) for kind in _OBJECTS)
    )


def _action(filters: Filters, action: str) -> bool:
    """``exec_create`` stands for ``exec_create: sh -c ...`` too."""
    if filters.exact("event", action):
        return True
    verb = action.partition(":")[0]
    return verb in _WITH_DETAIL and filters.exact("event", verb)


def _object(filters: Filters, kind: str, type: str, actor_id: str, attributes: Mapping[str, str]) -> bool:
    if kind not in filters:
        return True
    if kind != type:
        return kind in attributes and filters.exact(kind, attributes[kind])
    return filters.prefix(kind, actor_id) or filters.prefix(kind, attributes.get("name", ""))


def _image(filters: Filters, type: str, actor_id: str, attributes: Mapping[str, str]) -> bool:
    if "image" not in filters:
        return True
    name = attributes.get("name" if type == "image" else "image", "")
    return filters.exact("image", actor_id) or filters.exact("image", name) or filters.exact("image", _untagged(name))


def _untagged(name: str) -> str:
    head, _, tail = name.rpartition(":")
    return head if head and "/" not in tail else name
