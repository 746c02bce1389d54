"""Containers, as the API has them. Bodies and answers are the API's own JSON objects."""

from __future__ import annotations

from pier.client.jsontext import encode
from pier.client.session import Client, messages, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from pier.client.http import Response
    from pier.client.session import Query
    from pier.client.stream import Hijacked

    Json = dict[str, Any]
    Filters = dict[str, list[str]]


def filter_text(filters: Filters | None) -> str:
    """The ``filters`` parameter: empty when there are none."""
    return encode(filters) if filters else ""


def create(client: Client, body: Json, name: str = "", platform: str = "") -> Json:
    """Returns ``{"Id", "Warnings"}``. Raises NotFound for a missing image, Conflict for a name in use."""
    answer: Json = client.call("POST", "/containers/create", {"name": name, "platform": platform}, body)
    return answer


def start(client: Client, ref: str, detach_keys: str = "", checkpoint: str = "", checkpoint_dir: str = "") -> None:
    """Starting a running container is no error."""
    query: Query = {"detachKeys": detach_keys, "checkpoint": checkpoint, "checkpoint-dir": checkpoint_dir}
    client.call("POST", f"/containers/{quote(ref)}/start", query)


def stop(client: Client, ref: str, timeout: int | None = None, signal: str = "") -> None:
    client.call("POST", f"/containers/{quote(ref)}/stop", {"t": timeout, "signal": signal})


def restart(client: Client, ref: str, timeout: int | None = None, signal: str = "") -> None:
    client.call("POST", f"/containers/{quote(ref)}/restart", {"t": timeout, "signal": signal})


def kill(client: Client, ref: str, signal: str = "") -> None:
    client.call("POST", f"/containers/{quote(ref)}/kill", {"signal": signal})


def pause(client: Client, ref: str) -> None:
    client.call("POST", f"/containers/{quote(ref)}/pause")


def unpause(client: Client, ref: str) -> None:
    client.call("POST", f"/containers/{quote(ref)}/unpause")


def remove(client: Client, ref: str, force: bool = False, volumes: bool = False, link: bool = False) -> None:
    client.call("DELETE", f"/containers/{quote(ref)}", {"force": force, "v": volumes, "link": link})


def rename(client: Client, ref: str, name: str) -> None:
    client.call("POST", f"/containers/{quote(ref)}/rename", {"name": name})


def resize(client: Client, ref: str, height: int, width: int) -> None:
    client.call("POST", f"/containers/{quote(ref)}/resize", {"h": height, "w": width})


def update(client: Client, ref: str, body: Json) -> Json:
    answer: Json = client.call("POST", f"/containers/{quote(ref)}/update", None, body)
    return answer


def inspect(client: Client, ref: str, size: bool = False) -> Json:
    answer: Json = client.call("GET", f"/containers/{quote(ref)}/json", {"size": size})
    return answer


def listing(
    client: Client, every: bool = False, limit: int = 0, size: bool = False, filters: Filters | None = None
) -> list[Json]:
    query: Query = {"all": every, "limit": limit or None, "size": size, "filters": filter_text(filters)}
    answer: list[Json] = client.call("GET", "/containers/json", query)
    return answer


def wait(client: Client, ref: str, condition: str = "") -> Response:
    """Registered when this returns; :func:`exit_code` then blocks until it has happened."""
    return client.open("POST", f"/containers/{quote(ref)}/wait", {"condition": condition})


def exit_code(waiting: Response) -> tuple[int, str]:
    """The exit code and an error text (usually empty) of a wait."""
    for document in messages(waiting):
        error = document.get("Error") or {}
        return int(document["StatusCode"]), str(error.get("Message") or "")
    raise ConnectionResetError("the daemon went away while the container was waited for")


def attach(client: Client, ref: str, *, stdin: bool, stdout: bool, stderr: bool, detach_keys: str = "") -> Hijacked:
    query: Query = {"stream": True, "stdin": stdin, "stdout": stdout, "stderr": stderr, "detachKeys": detach_keys}
    return client.hijack(f"/containers/{quote(ref)}/attach", query)


def logs(client: Client, ref: str, **options: str | bool) -> Response:
    """Framed (or raw with a terminal) bytes; options: follow since until timestamps tail details."""
    return client.open("GET", f"/containers/{quote(ref)}/logs", {"stdout": True, "stderr": True, **options})


def stats(client: Client, ref: str, stream: bool, one_shot: bool = False) -> Iterator[Json]:
    return messages(client.open("GET", f"/containers/{quote(ref)}/stats", _stats_query(stream, one_shot)))


def _stats_query(stream: bool, one_shot: bool) -> dict[str, str | bool]:
    return {"stream": "1" if stream else "0", "one-shot": one_shot}


def top(client: Client, ref: str, ps_args: str) -> Json:
    answer: Json = client.call("GET", f"/containers/{quote(ref)}/top", {"ps_args": ps_args})
    return answer


def changes(client: Client, ref: str) -> list[Json]:
    answer: list[Json] | None = client.call("GET", f"/containers/{quote(ref)}/changes")
    return answer or []


def export(client: Client, ref: str) -> Response:
    return client.open("GET", f"/containers/{quote(ref)}/export")


def stat_path(client: Client, ref: str, path: str) -> Json:
    """name, size, mode (Go's FileMode bits), mtime, linkTarget. Raises NotFound."""
    headers = client.head(f"/containers/{quote(ref)}/archive", {"path": path})
    return path_stat(headers)


def path_stat(headers: dict[str, str]) -> Json:
    """What the archive answers say of a path in a header."""
    from base64 import b64decode

    from pier.client.jsontext import decode

    stat: Json = decode(b64decode(headers["x-docker-container-path-stat"]).decode())
    return stat


def get_archive(client: Client, ref: str, path: str) -> Response:
    """A tar of ``path``, its entries named after the path's last part."""
    return client.open("GET", f"/containers/{quote(ref)}/archive", {"path": path})


def put_archive(
    client: Client, ref: str, path: str, pieces: Iterable[bytes], no_overwrite_dir_non_dir: bool, copy_owner: bool
) -> None:
    """Unpack a tar into the directory ``path``."""
    query: Query = {"path": path, "noOverwriteDirNonDir": no_overwrite_dir_non_dir, "copyUIDGID": copy_owner}
    response = client.upload("PUT", f"/containers/{quote(ref)}/archive", query, pieces)
    response.read()
    response.close()


def commit(client: Client, query: dict[str, str | bool | list[str]], body: Json) -> str:
    """The new image's ID. ``query``: container repo tag comment author pause changes."""
    return str(client.call("POST", "/commit", query, body)["Id"])


def prune(client: Client, filters: Filters) -> Json:
    answer: Json = client.call("POST", "/containers/prune", {"filters": filter_text(filters)})
    return answer


def exec_create(client: Client, ref: str, body: Json) -> str:
    return str(client.call("POST", f"/containers/{quote(ref)}/exec", None, body)["Id"])


def exec_start(client: Client, exec_id: str, body: Json) -> None:
    """Start detached (``body["Detach"]``)."""
    client.call("POST", f"/exec/{exec_id}/start", None, body)


def exec_attach(client: Client, exec_id: str, body: Json) -> Hijacked:
    return client.hijack(f"/exec/{exec_id}/start", None, body)


def exec_resize(client: Client, exec_id: str, height: int, width: int) -> None:
    client.call("POST", f"/exec/{exec_id}/resize", {"h": height, "w": width})


def exec_inspect(client: Client, exec_id: str) -> Json:
    answer: Json = client.call("GET", f"/exec/{exec_id}/json")
    return answer
