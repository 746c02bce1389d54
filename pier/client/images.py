"""Images, as the API has them."""

from __future__ import annotations

from pier.client.containers import filter_text
from pier.client.session import Client, messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from pier.client.http import Response
    from pier.client.session import Query

    Json = dict[str, Any]
    Filters = dict[str, list[str]]


def path_name(name: str) -> str:
    """An image name inside a path: its slashes stay."""
    from pier.client.session import quote

    return "/".join(quote(part) for part in name.split("/"))


def auth_header(registry_auth: str) -> dict[str, str]:
    return {"X-Registry-Auth": registry_auth} if registry_auth else {}


def pull(client: Client, name: str, tag: str, platform: str = "", registry_auth: str = "") -> Iterator[Json]:
    """Progress messages; one with ``error`` ends a pull that failed. ``tag`` may be a digest; empty means all tags."""
    query: Query = {"fromImage": name, "tag": tag, "platform": platform}
    return messages(client.open("POST", "/images/create", query, headers=auth_header(registry_auth)))


def push(client: Client, name: str, tag: str, platform: str, registry_auth: str) -> Iterator[Json]:
    headers = {"X-Registry-Auth": registry_auth or "e30="}
    return messages(
        client.open("POST", f"/images/{path_name(name)}/push", {"tag": tag, "platform": platform}, headers=headers)
    )


def import_source(client: Client, query: dict[str, str | list[str]], pieces: Iterable[bytes] | None) -> Iterator[Json]:
    """``query``: fromSrc repo tag message changes platform; ``pieces`` is the archive when fromSrc is "-"."""
    if pieces is None:
        return messages(client.open("POST", "/images/create", query))
    return messages(client.upload("POST", "/images/create", query, pieces))


def load(client: Client, pieces: Iterable[bytes], quiet: bool, platform: str) -> Response:
    return client.upload("POST", "/images/load", {"quiet": quiet, "platform": platform}, pieces)


def save(client: Client, names: list[str], platform: str) -> Response:
    return client.open("GET", "/images/get", {"names": names, "platform": platform})


def missing(client: Client, diff_ids: list[str]) -> list[str]:
    """Those of the layers that the daemon does not have (an extension of Pier's)."""
    answer: Json = client.call("POST", "/images/missing", body={"DiffIDs": diff_ids})
    return list(answer["Missing"])


def bundle(client: Client, names: list[str], without: list[str]) -> Response:
    """A gzipped archive of images, without the layers that who gets it has (an extension of Pier's)."""
    return client.open("POST", "/images/bundle", body={"Names": names, "Without": without})


def bootstrap(client: Client, name: str) -> Iterator[Json]:
    """Build a base image on the daemon's host from its own package sources (an extension of Pier's)."""
    return messages(client.open("POST", "/images/bootstrap", {"name": name}))


def listing(client: Client, every: bool = False, filters: Filters | None = None, digests: bool = False) -> list[Json]:
    query: Query = {"all": every, "filters": filter_text(filters), "digests": digests}
    answer: list[Json] = client.call("GET", "/images/json", query)
    return answer


def inspect(client: Client, name: str, platform: str = "") -> Json:
    answer: Json = client.call("GET", f"/images/{path_name(name)}/json", {"platform": platform})
    return answer


def history(client: Client, name: str, platform: str = "") -> list[Json]:
    answer: list[Json] = client.call("GET", f"/images/{path_name(name)}/history", {"platform": platform})
    return answer


def tag(client: Client, source: str, repository: str, tag_name: str) -> None:
    client.call("POST", f"/images/{path_name(source)}/tag", {"repo": repository, "tag": tag_name})


def remove(
    client: Client, name: str, force: bool = False, no_prune: bool = False, platforms: list[str] | None = None
) -> list[Json]:
    """A list of ``{"Untagged": name}`` and ``{"Deleted": id}``."""
    query: Query = {"force": force, "noprune": no_prune, "platforms": platforms}
    answer: list[Json] = client.call("DELETE", f"/images/{path_name(name)}", query)
    return answer


def prune(client: Client, filters: Filters) -> Json:
    answer: Json = client.call("POST", "/images/prune", {"filters": filter_text(filters)})
    return answer


def search(client: Client, term: str, limit: int, filters: Filters, registry_auth: str) -> list[Json]:
    """Repositories: name, description, star_count, is_official; a limit of 0 is the daemon's own."""
    query: Query = {"term": term, "limit": limit or None, "filters": filter_text(filters)}
    answer: list[Json] = client.call("GET", "/images/search", query, None, auth_header(registry_auth))
    return answer
