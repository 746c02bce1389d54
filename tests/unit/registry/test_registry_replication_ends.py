"""A replication that is cancelled while one of its layers fails is cancelled: it does not go on with the next image."""

import asyncio

import pytest

from pier.errors import Unavailable
from pier.registry.replication.copying import together
from pier.registry.threads import unbroken


async def test_a_cancellation_is_not_taken_for_what_fails_at_the_same_time() -> None:
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def fails() -> None:
        raise Unavailable("the other registry was stopped")

    async def keeps_what_has_come() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await unbroken(until(may_end))

    copying = asyncio.create_task(together([keeps_what_has_come(), fails()]))
    await ending.wait()
    copying.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await copying


async def test_what_fails_is_what_is_raised() -> None:
    async def fails() -> None:
        raise Unavailable("out")

    with pytest.raises(Unavailable, match="out"):
        await together([fails(), until(asyncio.Event())])


async def until(event: asyncio.Event) -> None:
    await event.wait()
