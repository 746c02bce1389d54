"""Waiting for what another process does, which needs the processor for it: asked again and again, with pauses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

_PAUSE = 0.05
T = TypeVar("T")


async def eventually(there: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """What ``there`` gives, once it is something. Raises TimeoutError."""
    return await until(there, bool, seconds)


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], object], seconds: float = 60) -> T:
    """What is answered, once it holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds(found := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE)
        return found
