"""Responses: JSON, empty, plain text, and errors in Docker's form."""

from typing import Any, Final

import msgspec
from aiohttp import web

_encoder: Final = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """JSON bytes of plain values and msgspec structs."""
    return _encoder.encode(value)


def reply(value: Any, status: int = 200) -> web.Response:
    """A JSON body, with the line feed that Docker ends it with."""
    return web.Response(body=encode(value) + b"\n", status=status, content_type="application/json")


def empty(status: int = 204) -> web.Response:
    return web.Response(status=status)


def plain(text: str) -> web.Response:
    return web.Response(text=text)


def failure(status: int, message: str) -> web.Response:
    """``{"message": ...}``; 304 must have no body."""
    return empty(304) if status == 304 else reply({"message": message}, status)
