"""What the daemon answers when it refuses: an HTTP status and ``{"message": ...}``, as an error kind.

Every class here is both an :class:`Answer` (it came from the daemon, with a status) and a kind of
``pier.errors``, so that a caller may catch either.
"""

from __future__ import annotations

from pier.client.jsontext import decode
from pier.errors import (
    Conflict,
    Forbidden,
    Internal,
    InvalidArgument,
    NoSpace,
    NotFound,
    PierError,
    Unauthorized,
    Unavailable,
    Unsupported,
)


class Answer(PierError):
    """The daemon refused. ``status`` is the HTTP status; ``str()`` is its message."""

    status = 0


class BadRequest(Answer, InvalidArgument):
    pass


class NotAuthenticated(Answer, Unauthorized):
    pass


class Refused(Answer, Forbidden):
    pass


class Missing(Answer, NotFound):
    pass


class InTheWay(Answer, Conflict):
    pass


class NotThere(Answer, Unsupported):
    pass


class TryLater(Answer, Unavailable):
    pass


class Full(Answer, NoSpace):
    pass


class Broken(Answer, Internal):
    pass


KINDS: dict[int, type[Answer]] = {
    400: BadRequest,
    401: NotAuthenticated,
    403: Refused,
    404: Missing,
    409: InTheWay,
    501: NotThere,
    503: TryLater,
    507: Full,
}


def answer(status: int, body: bytes, target: str) -> Answer:
    """The error for a response with ``status`` >= 400."""
    error = KINDS.get(status, Broken)(_message(body) or f"request returned {status} for API route {target}")
    error.status = status
    return error


def _message(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    try:
        document = decode(text)
    except ValueError:
        return text
    if isinstance(document, dict):
        return str(document.get("message") or "").strip()
    return text
