"""Progress as BuildKit's status messages, one JSON object a line."""

from __future__ import annotations

from pier.cli.build.model import BILLION, Model
from pier.client.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]


class RawJson:
    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self.model = Model()

    def show(self, events: list[Json]) -> None:
        for event in events:
            self.model.apply(event)
            self._write(encode(message(event)) + "\n")

    def tick(self) -> float | None:
        return None

    def finish(self) -> None:
        """Everything was told at once."""


def message(event: Json) -> Json:
    """One event as a message of its own."""
    kind = event["type"]
    if kind == "vertex":
        vertex: Json = {"digest": event["id"], "inputs": event.get("inputs"), "name": event["name"]}
        vertex.update(_times(event))
        if event.get("cached"):
            vertex["cached"] = True
        if event.get("error"):
            vertex["error"] = event["error"]
        return {"vertexes": [{name: value for name, value in vertex.items() if value}]}
    if kind == "status":
        status: Json = {"id": event["id"], "vertex": event["vertex"], "name": event.get("name", "")}
        status.update(current=event.get("current", 0), total=event.get("total", 0))
        moment = event.get("completed") or event.get("started") or 0
        return {"statuses": [{**status, "timestamp": timestamp(moment), **_times(event)}]}
    if kind == "log":
        log = {"vertex": event["vertex"], "stream": event["stream"], "data": event["data"]}
        return {"logs": [{**log, "timestamp": timestamp(event.get("time", 0))}]}
    return {"warnings": [_warning(event)]}


def _warning(event: Json) -> Json:
    from binascii import b2a_base64

    found = event["warning"]
    place = found["location"]

    def text(value: str) -> str:
        return b2a_base64(value.encode("utf-8", "replace"), newline=False).decode()

    return {
        "vertex": event["vertex"],
        "level": 1,
        "short": text(f"{found['rule']}: {found['message']} (line {place['first']})"),
        "detail": [text(found.get("description", ""))],
        "url": found.get("url", ""),
        "sourceInfo": {"filename": place["file"], "data": text(event.get("source", ""))},
        "range": [{"start": {"line": place["first"]}, "end": {"line": place["last"]}}],
    }


def _times(event: Json) -> Json:
    return {name: timestamp(event[name]) for name in ("started", "completed") if event.get(name)}


def timestamp(nanoseconds: int) -> str:
    """RFC 3339, to the nanosecond."""
    from time import gmtime, strftime

    seconds, rest = divmod(nanoseconds, BILLION)
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{rest:09d}Z"
