"""Error kinds to HTTP: the one place that knows both.

Statuses are Docker's (``api/server/httpstatus``): what is already so is 304, a full disk or a broken
archive is the server's trouble (500), since clients retry or report by these numbers.
"""

from typing import Final

from pier import errors

_STATUS: Final[dict[type[errors.PierError], int]] = {
    errors.InvalidArgument: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NotModified: 304,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.Cancelled: 500,
    errors.NoSpace: 500,
    errors.DataCorrupted: 500,
    errors.Internal: 500,
}


def status_of(error: errors.PierError) -> int:
    """The HTTP status of an error's kind; a subclass has its nearest ancestor's."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
