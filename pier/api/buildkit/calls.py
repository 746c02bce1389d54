"""Calling the client: its errors in our kinds, and metadata as it expects it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote_plus

from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from pier.errors import Cancelled, InvalidArgument, NotFound, PierError, Unsupported

_KINDS: Final[Mapping[Status, type[PierError]]] = {
    Status.NOT_FOUND: NotFound,
    Status.UNIMPLEMENTED: Unsupported,
    Status.CANCELLED: Cancelled,
}


@contextmanager
def client_errors() -> Iterator[None]:
    """Raise what goes wrong inside the block as PierError: Cancelled where the client has gone."""
    try:
        yield
    except GRPCError as error:
        kind = _KINDS.get(error.status, InvalidArgument)
        raise kind(error.message or f"the client failed: {error.status.name}") from error
    except (StreamTerminatedError, ConnectionError) as error:
        raise Cancelled("the client went away") from error


def metadata(values: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Headers of a call; where one of a name's values is not ASCII, all of them are encoded, and it is said so."""
    headers: list[tuple[str, str]] = []
    for name, given in values.items():
        texts = list(given)
        encoded = not all(text.isascii() for text in texts)
        headers += [(name, quote_plus(text, errors="surrogateescape") if encoded else text) for text in texts]
        if encoded:
            headers.append((f"{name}-encoded", "1"))
    return headers
