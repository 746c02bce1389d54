"""Networks, as the API has them."""

from __future__ import annotations

from pier.client.containers import filter_text
from pier.client.session import Client, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]
    Filters = dict[str, list[str]]


def create(client: Client, body: Json) -> Json:
    """Returns ``{"Id", "Warning"}``."""
    answer: Json = client.call("POST", "/networks/create", None, body)
    return answer


def listing(client: Client, filters: Filters | None = None) -> list[Json]:
    answer: list[Json] = client.call("GET", "/networks", {"filters": filter_text(filters)})
    return answer


def inspect(client: Client, ref: str, verbose: bool = False) -> Json:
    answer: Json = client.call("GET", f"/networks/{quote(ref)}", {"verbose": verbose})
    return answer


def remove(client: Client, ref: str) -> None:
    client.call("DELETE", f"/networks/{quote(ref)}")


def connect(client: Client, ref: str, container: str, endpoint: Json) -> None:
    body = {"Container": container, "EndpointConfig": endpoint}
    client.call("POST", f"/networks/{quote(ref)}/connect", None, body)


def disconnect(client: Client, ref: str, container: str, force: bool) -> None:
    client.call("POST", f"/networks/{quote(ref)}/disconnect", None, {"Container": container, "Force": force})


def prune(client: Client, filters: Filters) -> Json:
    answer: Json = client.call("POST", "/networks/prune", {"filters": filter_text(filters)})
    return answer
