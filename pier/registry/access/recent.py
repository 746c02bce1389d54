"""Answers that are remembered for a moment: not every request is worth a question to the database."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """``ask`` is asked for what is not known, or for longer than ``seconds``. The oldest of ``most`` makes room."""

    def __init__(self, ask: Callable[[K], Awaitable[V]], seconds: float, most: int = 10_000) -> None:
        self._ask = ask
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    async def get(self, key: K) -> V:
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        value = await self._ask(key)
        self._known[key] = (time.monotonic() + self._seconds, value)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return value

    def forget(self) -> None:
        self._known.clear()
