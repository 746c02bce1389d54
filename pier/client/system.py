"""The daemon itself: what it is, what it holds, what happens in it."""

from __future__ import annotations

from pier.client.containers import filter_text
from pier.client.session import Client, messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pier.client.session import Query

    Json = dict[str, Any]
    Filters = dict[str, list[str]]


def info(client: Client) -> Json:
    answer: Json = client.call("GET", "/info")
    return answer


def version(client: Client) -> Json:
    answer: Json = client.call("GET", "/version")
    return answer


def disk_usage(client: Client, types: tuple[str, ...] = ()) -> Json:
    """Images, Containers, Volumes, BuildCache and LayersSize, or only those of ``types`` (``build-cache``...)."""
    query: Query = {"type": list(types)}
    answer: Json = client.call("GET", "/system/df", query if types else None)
    return answer


def events(client: Client, since: str = "", until: str = "", filters: Filters | None = None) -> Iterator[Json]:
    query: Query = {"since": since, "until": until, "filters": filter_text(filters)}
    return messages(client.open("GET", "/events", query))


def login(client: Client, credentials: Json) -> Json:
    """Check credentials with their registry. Returns ``{"Status", "IdentityToken"}``; raises Unauthorized."""
    answer: Json = client.call("POST", "/auth", None, credentials)
    return answer


def prune_build_cache(client: Client, every: bool, filters: Filters, spaces: dict[str, int] | None = None) -> Json:
    """``spaces``: bytes to keep, by the API's names for them."""
    query: Query = {"all": every, "filters": filter_text(filters), **(spaces or {})}
    answer: Json = client.call("POST", "/build/prune", query)
    return answer


def check_disk(client: Client, repair: bool) -> list[Json]:
    """What lies on disk and in the kernel against what is recorded; an extension of Pier's.

    A list of ``{"Kind", "Path", "Detail", "Fixed"}``, empty when all is well.
    """
    answer: Json = client.call("GET", "/system/fsck", {"fix": repair})
    findings: list[Json] = answer["Findings"]
    return findings
