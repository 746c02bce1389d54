"""The journal, in the database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pier.content.journal import Entry
from pier.metadata.db import Database


class SqliteJournal:
    """Implements :class:`pier.content.journal.Journal`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, kind: str, key: str, detail: dict[str, Any] | None = None) -> Entry:
        detail = detail or {}
        with self._database.transaction() as sql:
            cursor = sql.execute(
                "INSERT INTO journal (kind, key, detail) VALUES (?, ?, ?)", (kind, key, json.dumps(detail))
            )
        assert cursor.lastrowid is not None
        return Entry(cursor.lastrowid, kind, key, detail)

    @contextmanager
    def completing(self, entry: Entry) -> Iterator[None]:
        with self._database.transaction():
            yield
            self.done(entry)

    def done(self, entry: Entry) -> None:
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM journal WHERE id = ?", (entry.id,))

    def pending(self, prefix: str = "") -> list[Entry]:
        with self._database.transaction() as sql:
            rows = sql.execute("SELECT * FROM journal WHERE substr(kind, 1, ?) = ? ORDER BY id", (len(prefix), prefix))
            return [Entry(row["id"], row["kind"], row["key"], json.loads(row["detail"])) for row in rows]
