"""Volumes, as the API has them."""

from __future__ import annotations

from pier.client.containers import filter_text
from pier.client.session import Client, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]
    Filters = dict[str, list[str]]


def create(client: Client, name: str, driver: str, options: dict[str, str], labels: dict[str, str]) -> Json:
    body = {"Name": name, "Driver": driver, "DriverOpts": options, "Labels": labels}
    answer: Json = client.call("POST", "/volumes/create", None, body)
    return answer


def listing(client: Client, filters: Filters | None = None) -> Json:
    """``{"Volumes": [...], "Warnings": [...]}``; either may be null."""
    answer: Json = client.call("GET", "/volumes", {"filters": filter_text(filters)})
    return answer


def inspect(client: Client, name: str) -> Json:
    answer: Json = client.call("GET", f"/volumes/{quote(name)}")
    return answer


def remove(client: Client, name: str, force: bool = False) -> None:
    client.call("DELETE", f"/volumes/{quote(name)}", {"force": force})


def prune(client: Client, filters: Filters) -> Json:
    answer: Json = client.call("POST", "/volumes/prune", {"filters": filter_text(filters)})
    return answer
