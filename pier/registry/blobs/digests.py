"""Digests that clients give (pure)."""

from pier.errors import InvalidArgument
from pier.oci.digest import Digest, parse_digest
from pier.registry.refusals import Code, Refusal


def parsed(digest: str) -> Digest:
    """Raises Refusal DIGEST_INVALID for what is no digest, or none of SHA-256."""
    try:
        return parse_digest(digest)
    except InvalidArgument as error:
        raise Refusal(Code.DIGEST_INVALID, str(error), {"digest": digest[:255]}) from error


def unknown(digest: str) -> Refusal:
    return Refusal(Code.BLOB_UNKNOWN, "blob unknown to registry", {"digest": digest[:255]})


def wrong(expected: Digest, found: Digest) -> Refusal:
    detail = {"expected": expected, "digest": found}
    return Refusal(Code.DIGEST_INVALID, "provided digest did not match uploaded content", detail)
