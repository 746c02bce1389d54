"""What of the cache is being used just now: counts by record, so that nothing is evicted under a step's feet."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class InUse:
    """How many users each record has. For one event loop."""

    def __init__(self) -> None:
        self._users: Counter[str] = Counter()

    def enter(self, key: str) -> None:
        self._users[key] += 1

    def leave(self, key: str) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key]

    def __contains__(self, key: str) -> bool:
        return key in self._users


class HasInUse(Protocol):
    """As :class:`pier.build.deps.Deps` has it."""

    @property
    def in_use(self) -> InUse: ...


@contextmanager
def in_use(deps: HasInUse, key: str) -> Iterator[None]:
    """Keep the record ``key``, and the folder that it stands for, from being removed inside the block.

    Enter it before the folder is looked for or made, and before its record is put.
    """
    deps.in_use.enter(key)
    try:
        yield
    finally:
        deps.in_use.leave(key)
