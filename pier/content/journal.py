"""The journal (contract): what was begun and is not yet done.

Whatever makes or removes something on disk that the database also names does it in two phases::

    entry = journal.begin("layer:create", cache_id, {"parent": ...})    # durable intent
    ... make the folders ...
    with journal.completing(entry): ...record it in the database...     # one transaction with the record

After ``kill -9`` the entries that are still pending are handed to their kind's recovery function at
start-up, which finishes or undoes the work; it must be idempotent, because it may itself be killed.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One pending intent. ``kind`` is ``noun:verb``; ``key`` names the object; ``detail`` is JSON-able."""

    id: int
    kind: str
    key: str
    detail: dict[str, Any] = field(default_factory=dict)


class Journal(Protocol):
    """Synchronous, thread-safe, cheap (no fsync)."""

    def begin(self, kind: str, key: str, detail: dict[str, Any] | None = None) -> Entry:
        """Record the intent and return it."""

    def completing(self, entry: Entry) -> AbstractContextManager[None]:
        """A transaction that also removes ``entry``: all of it lands, or none."""

    def done(self, entry: Entry) -> None:
        """Remove ``entry``; a second time is no error."""

    def pending(self, prefix: str = "") -> list[Entry]:
        """Entries whose kind begins with ``prefix``, oldest first."""
