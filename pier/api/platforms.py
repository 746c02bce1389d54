"""Platforms in queries: as a user writes them (``linux/arm64``), or as JSON of the OCI's (``{"os": ...}``)."""

import msgspec

from pier.api.call import Call
from pier.errors import InvalidArgument
from pier.oci.platform import Platform, parse_platform


def platform(call: Call, key: str = "platform") -> Platform | None:
    """The platform that ``key`` names; None for none. Raises InvalidArgument."""
    found = platforms(call, key)
    if len(found) > 1:
        raise InvalidArgument(f"{key} must be given once")
    return found[0] if found else None


def platforms(call: Call, key: str) -> list[Platform]:
    return [_read(text) for text in call.texts(key) if text]


def _read(text: str) -> Platform:
    if not text.lstrip().startswith("{"):
        return parse_platform(text)
    try:
        read = msgspec.json.decode(text, type=Platform)
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"failed to parse platform: {error}") from error
    if not read.os or not read.architecture:
        raise InvalidArgument("both OS and Architecture must be provided")
    return read
