"""Waiting for what another process does, which needs the processor for it: asked again and again, with pauses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

_PAUSE = 0.05


async def eventually(there: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """What ``there`` gives, once it is something. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (found := await there()):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE)
        return found
