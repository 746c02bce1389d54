"""The database file: opening, migrating, and transactions.

Every call is synchronous and short (WAL, ``synchronous=NORMAL``: a commit costs some 50 µs and
no fsync), so that the event loop may make single calls itself; loops over many rows belong in a
thread. One connection, guarded by a re-entrant lock: transactions of several threads queue.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pier.errors import DataCorrupted
from pier.metadata.migrations import MIGRATIONS


class Database:
    """An open ``pier.db``. ``Database(":memory:")`` serves tests."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._migrate()

    def _migrate(self) -> None:
        with self.transaction() as sql:
            version: int = sql.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise DataCorrupted(
                    f"pier.db has schema {version}, this pierd knows {len(MIGRATIONS)}: run a newer pierd"
                )
            for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    sql.execute(statement)
                sql.execute(f"PRAGMA user_version={number}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside one transaction; nested uses join the outer one."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._connection.close()
