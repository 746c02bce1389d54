"""What the registry refuses, in the specification's codes (OCI distribution 1.1, "Error Codes").

A refusal is an error of this package alone: it knows its code, and :data:`STATUS` what HTTP calls that.
"""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Any, Final

from pier.errors import PierError


class Code(StrEnum):
    """As clients read them: the names in capitals."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        return name

    BLOB_UNKNOWN = auto()
    BLOB_UPLOAD_INVALID = auto()
    BLOB_UPLOAD_UNKNOWN = auto()
    DENIED = auto()
    DIGEST_INVALID = auto()
    MANIFEST_BLOB_UNKNOWN = auto()
    MANIFEST_INVALID = auto()
    MANIFEST_UNKNOWN = auto()
    NAME_INVALID = auto()
    NAME_UNKNOWN = auto()
    PAGINATION_NUMBER_INVALID = auto()
    RANGE_INVALID = auto()
    SIZE_INVALID = auto()
    TAG_INVALID = auto()
    TOOMANYREQUESTS = auto()
    UNAUTHORIZED = auto()
    UNAVAILABLE = auto()
    UNSUPPORTED = auto()


STATUS: Final[Mapping[Code, int]] = {
    **dict.fromkeys(Code, 400),
    Code.BLOB_UNKNOWN: 404,
    Code.BLOB_UPLOAD_UNKNOWN: 404,
    Code.DENIED: 403,
    Code.MANIFEST_UNKNOWN: 404,
    Code.NAME_UNKNOWN: 404,
    Code.RANGE_INVALID: 416,
    Code.TOOMANYREQUESTS: 429,
    Code.UNAUTHORIZED: 401,
    Code.UNAVAILABLE: 503,
    Code.UNSUPPORTED: 405,
}


class Refusal(PierError):
    """``str(refusal)`` is the line for people; ``detail`` what a program may want; ``headers`` go with the answer."""

    def __init__(self, code: Code, message: str, detail: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail
        self.headers = headers or {}


def no_room(project: str, taken: int, quota: int) -> Refusal:
    """The project's blobs take, or would take, more than they may."""
    text = f"the project {project} would take {taken} bytes, of {quota} that it may"
    return Refusal(Code.DENIED, text, {"quota": quota, "used": taken})
