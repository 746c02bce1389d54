"""Errors on the wire: a status code, the text, and details that say which lines of which file are meant.

A detail is the type's name and its JSON, as BuildKit's own errors carry them (``errdefs.Source``, ``errdefs.Vertex``).
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from google.protobuf.any_pb2 import Any as AnyValue
from grpclib.const import Status
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError

from pier.api.buildkit.proto import status_pb2
from pier.build.dockerfile.ast import Location
from pier.errors import (
    Cancelled,
    DeadlineExceeded,
    Forbidden,
    InvalidArgument,
    NoSpace,
    NotFound,
    PierError,
    Unauthorized,
    Unavailable,
    Unsupported,
)

_URL: Final = "github.com/moby/buildkit/errdefs."
_CODES: Final[tuple[tuple[type[PierError], Status], ...]] = (
    (InvalidArgument, Status.UNKNOWN),
    (NotFound, Status.NOT_FOUND),
    (Unauthorized, Status.UNAUTHENTICATED),
    (Forbidden, Status.PERMISSION_DENIED),
    (Unsupported, Status.UNIMPLEMENTED),
    (Unavailable, Status.UNAVAILABLE),
    (DeadlineExceeded, Status.DEADLINE_EXCEEDED),
    (Cancelled, Status.CANCELLED),
    (NoSpace, Status.RESOURCE_EXHAUSTED),
)


class DetailsCodec(StatusDetailsCodecBase):
    """``details`` are ``Any`` messages."""

    def encode(self, status: Status, message: str | None, details: Sequence[AnyValue]) -> bytes:
        packed = status_pb2.Status(code=status.value, message=message or "", details=details)
        return packed.SerializeToString()

    def decode(self, status: Status, message: str | None, data: bytes) -> Sequence[AnyValue]:
        return list(status_pb2.Status.FromString(data).details)


def status_error(error: Exception) -> GRPCError:
    """What the client is told of ``error``."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Status.UNKNOWN)
    return GRPCError(code, _text(error), _details(error))


def _text(error: Exception) -> str:
    """One line where there is one: the client shows the Dockerfile's lines itself."""
    if not isinstance(error, PierError):
        return f"internal error: {type(error).__name__}: {error}"
    return getattr(error, "reason", "") or error.message


def returned_error(status: status_pb2.Status) -> GRPCError:
    """The error that a client gives back with ``Return``, as it is to be raised."""
    try:
        code = Status(status.code)
    except ValueError:
        code = Status.UNKNOWN
    return GRPCError(code, status.message, list(status.details))


def _details(error: Exception) -> list[AnyValue]:
    details = []
    location, sources = getattr(error, "location", None), getattr(error, "sources", None)
    if isinstance(location, Location) and isinstance(sources, Mapping):
        details.append(_detail("Source+json", source_detail(location, sources)))
    vertex = getattr(error, "vertex", "")
    if vertex:
        details.append(_detail("Vertex+json", {"digest": vertex}))
    return details


def source_detail(location: Location, sources: Mapping[str, str]) -> dict[str, Any]:
    text = sources.get(location.file, "")
    return {
        "info": {"filename": location.file, "data": base64.b64encode(text.encode()).decode()},
        "ranges": [{"start": {"line": location.first}, "end": {"line": location.last}}],
    }


def _detail(name: str, value: dict[str, Any]) -> AnyValue:
    return AnyValue(type_url=_URL + name, value=msgspec.json.encode(value))
