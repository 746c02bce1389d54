"""What the snapshotter has begun and not finished: the journal's entries, its own told from those of the dead."""

from typing import Any

from pier.content.journal import Entry, Journal


class Intents:
    """Thread-safe as far as the journal is, and single operations on dicts are."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._own: dict[int, Entry] = {}

    def begin(self, kind: str, key: str, detail: dict[str, Any] | None = None) -> Entry:
        entry = self._journal.begin(kind, key, detail)
        self._own[entry.id] = entry
        return entry

    def done(self, entry: Entry) -> None:
        self._journal.done(entry)
        self._own.pop(entry.id, None)

    def left_over(self, kind: str) -> list[Entry]:
        """Entries that nobody alive works on: those of a process that is no more."""
        return [entry for entry in self._journal.pending(kind) if entry.id not in self._own]

    def folders(self) -> set[str]:
        """Cache folders that are being made or removed just now."""
        entries = list(self._own.values())
        named = {str(value) for entry in entries for value in (entry.key, *entry.detail.values())}
        return named | {f"{name}-init" for name in named}
