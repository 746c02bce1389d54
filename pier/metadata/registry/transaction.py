"""What the statements of a noun are run in (contract), and what runs them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Transaction(Protocol):
    """All or nothing, and as if no other ran meanwhile. ``?`` stands for a parameter."""

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, or of ``RETURNING``; none for anything else."""

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None: ...


class Database(Protocol):
    """Both raise Unavailable where the database does not answer, or is stopped; ``write`` also NoSpace.

    ``slow``: the statements may take minutes.
    """

    async def read(self, work: Callable[[Transaction], T], slow: bool = False) -> T:
        """Run ``work`` on what is there now. It writes nothing."""

    async def write(
        self, work: Callable[[Transaction], T], among: str = "", grows: bool = False, slow: bool = False
    ) -> T:
        """Run ``work`` in a transaction; it is durable when this returns. ``work`` may be run more than once.

        ``among``: what it shares rows with. Of those that say the same, one runs at a time in this process, since two
        would only be in each other's way. ``grows``: it is not worth the last room on a disk.
        """

    async def stop(self) -> None:
        """Let go. What waits is done, or Unavailable. Idempotent."""


def marks(values: Sequence[Any]) -> str:
    """``?, ?, ?``: for ``IN (...)``."""
    return ", ".join("?" * len(values))
