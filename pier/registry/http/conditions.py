"""Conditions of a request for what has a digest, which is its entity tag (RFC 9110, 13; pure)."""

import re
from typing import Final

from pier.oci.digest import Digest

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')


def in_hand(header: str | None, digest: Digest) -> bool:
    """``If-None-Match``: whether the client has it already. Tags may be weak, and, as clients write them, be bare."""
    text = (header or "").strip()
    return text == "*" or any(digest in found for found in _TAG.findall(text))


def still(header: str | None, digest: Digest) -> bool:
    """``If-Range``: whether a part would fit to what the client has. A date says nothing: there is none of a blob."""
    return header is None or header.strip() == f'"{digest}"'
