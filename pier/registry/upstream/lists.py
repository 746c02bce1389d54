"""Lists that only an upstream has whole: tags, referrers. They are believed for a moment, and longer if it is out."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from pier.registry.upstream.asking import Out

T = TypeVar("T")

_MOST: Final = 100


class Lists(Generic[T]):
    """In memory, the last hundred. ``life``: seconds that one is believed before the upstream is asked again."""

    def __init__(self, life: float) -> None:
        self._life = life
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def doubt(self, key: Hashable) -> None:
        """Believe it no longer: it is only for when the upstream is out."""
        if key in self._kept:
            self._kept[key] = (-self._life, self._kept[key][1])

    async def get(self, key: Hashable, ask: Callable[[bool], Awaitable[T]]) -> T:
        """``ask`` is told whether something can stand in for its answer. Raises Out where nothing can."""
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() < kept[0] + self._life:
            return kept[1]
        try:
            found = await ask(kept is not None)
        except Out:
            if kept is None:
                raise
            return kept[1]
        self._kept[key] = (time.monotonic(), found)
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found
