"""Paths to endpoints (pure). A repository's name may hold any number of slashes, and words such as ``blobs``.

The specification's endpoints are told by a path's end: the last ``/manifests/…``, ``/blobs/…`` and so on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from pier.registry.principal import Action


class Endpoint(StrEnum):
    """Names as metrics and the access log show them."""

    BASE = "base"
    CATALOGUE = "catalogue"
    MANIFEST = "manifest"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    TAGS = "tags"
    REFERRERS = "referrers"
    PAGE = "page"
    """None of the specification's."""


METHODS: Final[Mapping[Endpoint, Mapping[str, Action]]] = {
    Endpoint.BASE: {"GET": "ping", "HEAD": "ping"},
    Endpoint.CATALOGUE: {"GET": "catalog"},
    Endpoint.MANIFEST: {"GET": "pull", "HEAD": "pull", "PUT": "push", "DELETE": "delete"},
    Endpoint.BLOB: {"GET": "pull", "HEAD": "pull", "DELETE": "delete"},
    Endpoint.UPLOADS: {"POST": "push"},
    Endpoint.UPLOAD: {"GET": "push", "HEAD": "push", "PATCH": "push", "PUT": "push", "DELETE": "push"},
    Endpoint.TAGS: {"GET": "pull"},
    Endpoint.REFERRERS: {"GET": "pull"},
}
"""Which methods an endpoint knows, and what somebody must be allowed to do for each."""

_ENDS: Final = (
    (Endpoint.TAGS, re.compile(r"/v2/(.+)/tags/list/?", re.S)),
    (Endpoint.UPLOADS, re.compile(r"/v2/(.+)/blobs/uploads/?", re.S)),
    (Endpoint.UPLOAD, re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)", re.S)),
    (Endpoint.BLOB, re.compile(r"/v2/(.+)/blobs/([^/]+)", re.S)),
    (Endpoint.MANIFEST, re.compile(r"/v2/(.+)/manifests/([^/]+)", re.S)),
    (Endpoint.REFERRERS, re.compile(r"/v2/(.+)/referrers/([^/]+)", re.S)),
)
_BEHIND: Final = re.compile(r"/(?!v2/)([a-z0-9][a-z0-9._/-]*?)(/v2/.*)", re.S)


@dataclass(frozen=True, slots=True)
class Match:
    """``name`` is what stands where a repository's name should; ``reference`` a tag, a digest or an upload's id."""

    endpoint: Endpoint
    name: str = ""
    reference: str = ""


def match(raw_path: str) -> Match | None:
    """Find the endpoint of a path that is still percent-encoded; None where there is none."""
    path = unquote(raw_path, errors="replace") if "%" in raw_path else raw_path
    if path in ("/v2/", "/v2"):
        return Match(Endpoint.BASE)
    if path == "/v2/_catalog":
        return Match(Endpoint.CATALOGUE)
    for endpoint, pattern in _ENDS:
        found = pattern.fullmatch(path)
        if found is not None:
            return Match(endpoint, *found.groups())
    return None


def behind(raw_path: str) -> Match | None:
    """What dockerd means whose mirror has a path: ``/hub/v2/library/x/…`` is ``/v2/hub/library/x/…``. For pulls."""
    split = _BEHIND.fullmatch(raw_path)
    found = match(split[2]) if split else None
    if split is None or found is None or found.endpoint not in (Endpoint.BASE, Endpoint.MANIFEST, Endpoint.BLOB):
        return None
    return replace(found, name=f"{split[1]}/{found.name}") if found.name else found
