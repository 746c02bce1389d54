"""Manifests on registries, reached through the daemon: an extension of Pier's API."""

from __future__ import annotations

from pier.client.images import auth_header, path_name
from pier.client.session import Client, messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Json = dict[str, Any]


def read(client: Client, reference: str, insecure: bool, registry_auth: str) -> Json:
    """``{"List": bool, "Manifests": [{"Descriptor": {...}, "Raw": base64}]}``, one for what is no list."""
    path = f"/distribution/{path_name(reference)}/manifest"
    answer: Json = client.call("GET", path, {"insecure": insecure}, None, auth_header(registry_auth))
    return answer


def write(client: Client, reference: str, body: Json, insecure: bool, registry_auth: str) -> Iterator[Json]:
    """Push a list. ``body``: ``{"Manifests": [{"Raw", "MediaType", "Reference"}], "List": {"Raw", "MediaType"}}``.

    A message for each manifest, then one with ``{"aux": {"Digest", "Size"}}``.
    """
    path = f"/distribution/{path_name(reference)}/manifest"
    return messages(client.open("POST", path, {"insecure": insecure}, body, auth_header(registry_auth)))
