"""``wait``: learning of a container's end."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from pier.containers.deps import Deps

Condition = Literal["not-running", "next-exit", "removed"]


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
    raise AssertionError
