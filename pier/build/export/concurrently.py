"""Doing several things at once, the first failure of which is the failure of all."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def concurrently(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results, in order. When one fails, or the caller is cancelled, the others are ended first."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
