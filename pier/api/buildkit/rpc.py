"""Declaring gRPC methods: plain coroutines with a request and a reply, and errors in the kinds that all of Pier has."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.server import Stream
from multidict import MultiMapping

from pier.api.buildkit.failures import status_error
from pier.errors import PierError
from pier.log import Logger

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Metadata = MultiMapping[Any]
"""Of a call: header names in lower case."""

_log: Final = Logger("pier.api.buildkit")


def unary(
    function: Callable[[Request, Metadata], Awaitable[Reply]], request: type[Request], reply: type[Reply]
) -> Handler:
    """One request, one reply."""

    async def handle(stream: "Stream[Request, Reply]") -> None:
        message = await stream.recv_message()
        if message is None or stream.metadata is None:
            return
        await stream.send_message(await function(message, stream.metadata))

    return Handler(_guarded(handle), Cardinality.UNARY_UNARY, request, reply)


def replies(
    function: Callable[[Request, Metadata], AsyncIterator[Reply]], request: type[Request], reply: type[Reply]
) -> Handler:
    """One request, a stream of replies."""

    async def handle(stream: "Stream[Request, Reply]") -> None:
        message = await stream.recv_message()
        if message is None or stream.metadata is None:
            return
        await stream.send_initial_metadata()
        async for item in function(message, stream.metadata):
            await stream.send_message(item)

    return Handler(_guarded(handle), Cardinality.UNARY_STREAM, request, reply)


def _guarded(handle: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    async def guarded(stream: Any) -> None:
        try:
            await handle(stream)
        except (GRPCError, StreamTerminatedError, asyncio.CancelledError):
            raise
        except PierError as error:
            raise status_error(error) from error
        except Exception as error:
            _log.exception("a call failed", method=stream._method_name)
            raise status_error(error) from error

    return guarded


class Service:
    """A service by its full name, with its methods; what grpclib serves."""

    def __init__(self, name: str, methods: Mapping[str, Handler]) -> None:
        self._mapping = {f"/{name}/{method}": handler for method, handler in methods.items()}

    def __mapping__(self) -> Mapping[str, Handler]:
        return self._mapping
