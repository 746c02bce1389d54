"""One request, as the handlers see it: version, path parameters, query and body.

Query values are read as Docker reads them: a flag is false when it is absent, empty, ``0``, ``no``,
``false`` or ``none``, and true otherwise.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from multidict import MultiMapping

from pier.api.routing import Version
from pier.api.services import Services
from pier.errors import InvalidArgument, PierError

MAX_BODY: Final = 8 << 20
_FALSE: Final = frozenset({"", "0", "no", "false", "none"})

T = TypeVar("T")


class TooLarge(PierError):
    """A JSON body over :data:`MAX_BODY`."""


@dataclass(frozen=True, slots=True)
class Call:
    request: web.BaseRequest
    services: Services
    version: Version
    parameters: dict[str, str]
    on_disconnect: Callable[[Callable[[], Any]], None]
    """Registers a function to be called when the client has gone."""

    @property
    def name(self) -> str:
        """The path's object: ``{name}``."""
        return self.parameters["name"]

    @property
    def query(self) -> MultiMapping[str]:
        return self.request.query

    def text(self, key: str, default: str = "") -> str:
        return self.request.query.get(key, default)

    def texts(self, key: str) -> list[str]:
        return self.request.query.getall(key, [])

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.request.query.get(key)
        return default if value is None else value.strip().lower() not in _FALSE

    def integer(self, key: str, default: int | None = None) -> int | None:
        """Return a whole number, ``default`` where it is absent or empty. Raises InvalidArgument."""
        value = self.request.query.get(key, "")
        if value == "":
            return default
        try:
            return int(value)
        except ValueError as error:
            raise InvalidArgument(f'strconv.Atoi: parsing "{value}": invalid syntax') from error

    async def json(self, shape: type[T], *, optional: bool = False) -> T:
        """Decode the body into ``shape``; an absent one is ``shape()`` where ``optional``.

        Raises InvalidArgument in Docker's words, TooLarge over 8 MiB.
        """
        data = await self.json_bytes(optional=optional)
        return decode(data, shape) if data else shape()

    async def json_bytes(self, *, optional: bool = False) -> bytes:
        """The body, of which the Content-Type says that it is JSON; empty only where ``optional``."""
        data = (await self.body()).strip()
        if not data:
            if optional:
                return b""
            raise InvalidArgument("invalid JSON: got EOF while reading request body")
        content_type = self.request.headers.get("Content-Type", "")
        if content_type.partition(";")[0].strip().lower() not in ("application/json", ""):
            raise InvalidArgument(f"unsupported Content-Type header ({content_type}): must be 'application/json'")
        return data

    async def body(self) -> bytes:
        """Read the whole body, at most :data:`MAX_BODY` bytes of it. Raises TooLarge."""
        if not self.request.body_exists:
            return b""
        parts: list[bytes] = []
        size = 0
        async for part in self.request.content.iter_any():
            size += len(part)
            if size > MAX_BODY:
                raise TooLarge(f"request body is larger than {MAX_BODY >> 20} MiB")
            parts.append(part)
        return b"".join(parts)

    def header_json(self, name: str, shape: type[T]) -> T | None:
        """Decode a header that holds base64url JSON (``X-Registry-Auth``); None where absent or empty.

        Raises InvalidArgument.
        """
        value = self.request.headers.get(name, "")
        if not value:
            return None
        padded = value.rstrip("=")
        padded += "=" * (-len(padded) % 4)
        try:
            data = base64.b64decode(padded.replace("+", "-").replace("/", "_"), altchars=b"-_", validate=True)
            return msgspec.json.decode(data, type=shape) if data.strip() not in (b"", b"null") else None
        except (binascii.Error, msgspec.DecodeError) as error:
            raise InvalidArgument(f"invalid {name} header: {error}") from error


def decode(data: bytes, shape: type[T]) -> T:
    """JSON to ``shape``. Raises InvalidArgument that names the field."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(f"invalid JSON: {error}") from error
