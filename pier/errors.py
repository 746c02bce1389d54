"""The kinds of error that cross package boundaries.

Domain code raises a kind with a one-line message in Docker's wording where Docker has one, and
chains the cause (``raise ... from error``). Only ``api/status.py`` maps kinds to HTTP and only
``cli/main.py`` maps them to exit codes. Clients match the English text: a message is contract.

    PierError
    ├── InvalidArgument    the request is wrong in itself
    ├── Unauthorized       no or wrong credentials
    ├── Forbidden          known, and not allowed
    ├── NotFound           the named object does not exist
    ├── Conflict           the object's state, or another object, is in the way
    ├── NotModified        already so; nothing was done
    ├── Unsupported        not there (yet)
    ├── Unavailable        something that is needed does not answer; try again
    ├── DeadlineExceeded   it took longer than it may
    ├── Cancelled          the caller went away or said stop
    ├── NoSpace            the disk, or a pool of addresses or ports, is full
    ├── DataCorrupted      content is not what its digest, length or format promises
    └── Internal           ours to mend
"""


class PierError(Exception):
    """Base of all kinds. ``str(error)`` is the line that the user reads."""

    @property
    def message(self) -> str:
        return str(self)


class InvalidArgument(PierError):
    """The request is wrong in itself: repeating it cannot help."""


class Unauthorized(PierError):
    """Credentials are missing or wrong."""


class Forbidden(PierError):
    """The caller is known and may not do this."""


class NotFound(PierError):
    """The named object does not exist."""


class Conflict(PierError):
    """The object's state, or another object, is in the way."""


class NotModified(PierError):
    """The object is already as asked (starting a running container); nothing was done."""


class Unsupported(PierError):
    """Pier, or this host, cannot do this."""


class Unavailable(PierError):
    """A service that is needed does not answer (registry, runtime); a retry may help."""


class DeadlineExceeded(PierError):
    """The work took longer than it may."""


class Cancelled(PierError):
    """The caller went away or said stop; what was begun is undone."""


class NoSpace(PierError):
    """The disk, or a pool of addresses or ports, is full."""


class DataCorrupted(PierError):
    """Content is not what its digest, length or format promises."""


class Internal(PierError):
    """A defect of Pier's own, or of the host, that the user did not cause."""
