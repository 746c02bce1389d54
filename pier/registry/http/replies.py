"""What is answered: errors in the specification's form, and the headers that every answer has."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from pier.errors import DeadlineExceeded, InvalidArgument, NoSpace, NotFound, PierError, Unavailable
from pier.registry.refusals import STATUS, Code, Refusal

HEADERS: Final = {
    "Docker-Distribution-API-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
    "Server": "Pier",
}
_RETRY: Final = {"Retry-After": "5"}
_UNKNOWN: Final = "UNKNOWN"


def reply(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    answer = web.Response(status=status, headers=headers)
    if status not in (204, 304):
        answer.headers["Content-Length"] = "0"
    return answer


def document(
    content: Any, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> web.Response:
    """``content`` as JSON. ``headers`` may be any."""
    answer = web.Response(body=msgspec.json.encode(content), headers=headers)
    answer.headers["Content-Type"] = media_type
    return answer


def refused(refusal: Refusal, status: int | None = None) -> web.Response:
    """Several errors where the detail is a list of digests that are missing: clients read them one by one."""
    details = refusal.detail if isinstance(refusal.detail, list | tuple) else [refusal.detail]
    errors = [_error(refusal.code, refusal.message, detail) for detail in details or [None]]
    return _errors(errors, status or STATUS[refusal.code], refusal.headers)


def failed(error: PierError) -> web.Response:
    """Errors that are no refusals: a full disk, a database that does not answer. Where that is, is not for clients."""
    match error:
        case Refusal():
            return refused(error)
        case NoSpace():
            return _failure(507, Code.UNAVAILABLE, error.message)
        case Unavailable():
            return _failure(503, Code.UNAVAILABLE, "the registry cannot answer just now", _RETRY)
        case DeadlineExceeded():
            return _failure(408, _UNKNOWN, error.message)
        case NotFound():
            return _failure(404, Code.BLOB_UNKNOWN, "blob unknown to registry")
        case InvalidArgument():
            return _failure(400, _UNKNOWN, error.message)
    return _failure(500, _UNKNOWN, error.message)


def broken(error: Exception) -> web.Response:
    """A defect of ours. What it is stands in the log."""
    return _failure(500, _UNKNOWN, f"internal error: {type(error).__name__}")


def no_such_page() -> web.Response:
    return _failure(404, _UNKNOWN, "page not found")


def wrong_method(allowed: Mapping[str, Any]) -> web.Response:
    return _failure(405, Code.UNSUPPORTED, "the operation is unsupported", {"Allow": ", ".join(sorted(allowed))})


def _failure(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return _errors([_error(code, message, None)], status, headers)


def _error(code: str, message: str, detail: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **({} if detail is None else {"detail": detail})}


def _errors(errors: list[dict[str, Any]], status: int, headers: Mapping[str, str] | None) -> web.Response:
    answer = document({"errors": errors}, headers)
    answer.set_status(status)
    return answer
