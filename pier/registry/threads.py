"""Work in threads that a cancelled request leaves in order: nothing runs on behind its back."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


async def hop(threads: Executor | None, call: Callable[..., T], *arguments: Any) -> T:
    """``call(*arguments)`` in a thread. A caller that is cancelled meanwhile leaves when the thread has."""
    return await settled(asyncio.get_running_loop().run_in_executor(threads, call, *arguments))


async def obtain(
    threads: Executor | None, give_back: Callable[[T], None], call: Callable[..., T], *arguments: Any
) -> T:
    """:func:`hop` for what has to be let go: ``give_back`` gets the result where the caller was cancelled meanwhile."""
    future = asyncio.get_running_loop().run_in_executor(threads, call, *arguments)
    try:
        return await settled(future)
    except asyncio.CancelledError:
        if not future.cancelled() and future.exception() is None:
            give_back(future.result())
        raise


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Do all of ``work``, also where the caller is cancelled meanwhile: that is raised afterwards."""
    return await settled(asyncio.ensure_future(work))


async def settled(future: asyncio.Future[T]) -> T:
    """The result of ``future``, which is not cancelled along with the caller, but waited for."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        future.exception()
        raise cancelled
    return future.result()
