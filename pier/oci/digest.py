"""Content digests: ``sha256:`` followed by 64 lower-case hex digits."""

import re
from typing import Final, NewType

from pier.errors import InvalidArgument

Digest = NewType("Digest", str)

PREFIX: Final = "sha256:"
_SHAPE: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_OTHER_ALGORITHM: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]+", re.ASCII)


def parse_digest(text: str) -> Digest:
    """Return ``text`` as a digest.

    Raises InvalidArgument, in the words of Docker, for any other shape and any other algorithm.
    """
    if _SHAPE.fullmatch(text):
        return Digest(text)
    if text.startswith(PREFIX) and _OTHER_ALGORITHM.fullmatch(text):
        raise InvalidArgument("invalid checksum digest length")
    if _OTHER_ALGORITHM.fullmatch(text):
        raise InvalidArgument("unsupported digest algorithm")
    raise InvalidArgument("invalid checksum digest format")


def is_digest(text: str) -> bool:
    return _SHAPE.fullmatch(text) is not None


def sha256(data: bytes) -> Digest:
    """The digest of ``data``."""
    import hashlib  # loads libcrypto, 5 ms that a client's `pull` need not wait for

    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def from_hex(text: str) -> Digest:
    """The digest whose 64 hex digits are ``text``; InvalidArgument for anything else."""
    return parse_digest(PREFIX + text)


def hex_of(digest: Digest) -> str:
    """The 64 hex digits of ``digest``."""
    return digest[len(PREFIX) :]


def short(digest: Digest) -> str:
    """The 12 hex digits that people are shown."""
    return digest[len(PREFIX) : len(PREFIX) + 12]
