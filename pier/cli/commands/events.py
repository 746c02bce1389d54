"""``events``: what happens in the daemon, as it happens."""

from __future__ import annotations

import sys
import time

from pier.cli.call import Call, say
from pier.cli.command import Command, Failure, Flag
from pier.cli.commands.logs import timestamp
from pier.cli.options.filters import grouped
from pier.client import system
from pier.client.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

FIELDS = {
    "Status": "status",
    "ID": "id",
    "From": "from",
    "Type": "Type",
    "Action": "Action",
    "Actor": "Actor",
    "Scope": "scope",
    "Time": "time",
    "TimeNano": "timeNano",
}


class Event:
    """An event as a template sees it."""

    type_name = "*events.Message"

    def __init__(self, document: Json) -> None:
        self._document = document

    def field(self, name: str, *_arguments: Any) -> Any:
        return self._document.get(FIELDS[name], "")

    def as_json(self) -> str:
        return encode(ordered(self._document))


def ordered(event: Json) -> Json:
    """The event with its attributes by name."""
    actor = event.get("Actor") or {}
    return {**event, "Actor": {**actor, "Attributes": dict(sorted((actor.get("Attributes") or {}).items()))}}


def line(event: Json) -> str:
    """``2026-11-21T03:23:14.140079133Z container die 0123 (exitCode=3, name=web)``"""
    nanoseconds = event.get("timeNano") or event.get("time", 0) * 10**9
    seconds, rest = divmod(nanoseconds, 10**9)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    shown_zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest:09d}{shown_zone}"
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    shown = ", ".join(f"{name}={attributes[name]}" for name in sorted(attributes))
    tail = f" ({shown})" if shown else ""
    return f"{stamp} {event['Type']} {event['Action']} {actor.get('ID', '')}{tail}"


def events(call: Call) -> int:
    form = call.text("format")
    template = _template(form) if form not in ("", "json") else None
    since, until = timestamp(call.text("since")), timestamp(call.text("until"))
    for event in system.events(call.client, since, until, grouped(call.items("filter"))):
        if template is not None:
            say(template.execute(Event(event)))
        else:
            say(encode(ordered(event)) if form == "json" else line(event))
        sys.stdout.flush()
    return 0


def _template(form: str) -> Any:
    from pier.cli.template.execute import Template
    from pier.cli.template.nodes import TemplateError

    try:
        return Template(form)
    except TemplateError as error:
        raise Failure(f"Error parsing format: {error}", 64) from None


EVENTS = Command(
    events,
    "",
    (
        Flag("filter", "filter", "Show only those that match (type=container, event=die, container=web)", "f"),
        Flag("format", "string", "Format with a Go template: 'json' or 'TEMPLATE'"),
        Flag("since", "string", "Show also what has happened since then"),
        Flag("until", "string", "End at this time"),
    ),
    maximum=0,
)
