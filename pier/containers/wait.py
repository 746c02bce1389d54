"""``wait``: learning of a container's end."""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pier.containers.deps import Deps
from pier.containers.registry import Live
from pier.errors import InvalidArgument

Condition = Literal["not-running", "next-exit", "removed"]
_CONDITIONS: Final[dict[str, Condition]] = {"": "not-running", **{name: name for name in get_args(Condition)}}


@dataclass(frozen=True, slots=True)
class WaitResult:
    """The exit code, and why the container could not be started, if so."""

    code: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody waits for ``condition``; the future is cancelled when he gives up."""

    condition: Condition
    future: asyncio.Future[WaitResult]


def waiter(deps: Deps, reference: str, condition: str = "not-running") -> asyncio.Future[WaitResult]:
    """Register now, await later: an exit in between is not missed. Cancel the future to give up.

    ``not-running`` (also empty) is fulfilled at once when the container is not running; ``next-exit`` by the
    next end only; ``removed`` when it is gone. InvalidArgument for another condition, NotFound.
    """
    wanted = _CONDITIONS.get(condition)
    if wanted is None:
        raise InvalidArgument(f'invalid condition: "{condition}"')
    live = deps.registry.find(reference)
    future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
    if wanted == "not-running" and not live.record.state.running:
        future.set_result(result_of(live))
        return future
    registered = Waiter(wanted, future)
    live.waiters.append(registered)
    future.add_done_callback(lambda _: _drop(live, registered))
    return future


def notify(live: Live, *conditions: Condition) -> None:
    """Fulfil everybody who waits for one of ``conditions``, with how the record says that it ended."""
    result = result_of(live)
    for each in list(live.waiters):
        if each.condition in conditions and not each.future.done():
            each.future.set_result(result)


def result_of(live: Live) -> WaitResult:
    """Why a start failed is told to who asked for the start; those who wait get its exit code only, as in Docker."""
    return WaitResult(live.record.state.exit_code)


def _drop(live: Live, registered: Waiter) -> None:
    if registered in live.waiters:
        live.waiters.remove(registered)
