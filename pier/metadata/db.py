"""The database file: opening, migrating, and transactions.

Every call is synchronous and short (WAL, ``synchronous=NORMAL``: a commit costs some 50 µs and
no fsync), so that the event loop may make single calls itself; loops over many rows belong in a
thread. One connection, guarded by a re-entrant lock: transactions of several threads queue.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pier.errors import DataCorrupted, NoSpace
from pier.metadata.migrations import MIGRATIONS

_ROOM: Final = 5 * 1024 * 1024


class Database:
    """An open ``pier.db``. ``Database(":memory:")`` serves tests."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        if path != ":memory:":
            _make_private(Path(path))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._migrate()
        if path != ":memory:":
            _reserve(Path(f"{path}-wal"))

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
        """Yield the connection inside one transaction; nested uses join the outer one. Raises NoSpace."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise NoSpace("write pier.db: no space left on device") from error
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _make_private(path: Path) -> None:
    """Nobody but its owner may read what containers are told: passwords in their environment, for example.

    SQLite gives the files beside it the same mode; those of an older Pier may have another.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            each.chmod(0o600)


def _reserve(log: Path) -> None:
    """Give the write-ahead log the room that it grows to before it begins anew (1,000 pages).

    SQLite never shrinks it while it is open, so containers and images can be removed when the disk is full.
    """
    with suppress(OSError):
        descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(descriptor, 0, _ROOM)
        finally:
            os.close(descriptor)
