"""The build cache's records, in the database."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from pier.build.cache import CacheRecord
from pier.metadata.db import Database
from pier.oci.digest import Digest

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CacheRecord).decode


class SqliteCacheStore:
    """Implements :class:`pier.build.cache.CacheStore`. What a use changes is in columns of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> CacheRecord | None:
        with self._database.transaction() as sql:
            row = sql.execute("SELECT * FROM build_cache WHERE key = ?", (key,)).fetchone()
        return None if row is None else _record(row)

    def put(self, record: CacheRecord) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO build_cache (key, record, used, uses) VALUES (?, ?, ?, ?)",
                (record.key, _encode(record).decode(), record.used, record.uses),
            )

    def touch(self, keys: Iterable[str], now: int) -> None:
        rows = [(now, key) for key in keys]
        if rows:
            with self._database.transaction() as sql:
                sql.executemany("UPDATE build_cache SET used = ?, uses = uses + 1 WHERE key = ?", rows)

    def remove(self, keys: Iterable[str]) -> None:
        with self._database.transaction() as sql:
            sql.executemany("DELETE FROM build_cache WHERE key = ?", [(key,) for key in keys])

    def list(self) -> Sequence[CacheRecord]:
        with self._database.transaction() as sql:
            rows = sql.execute("SELECT * FROM build_cache").fetchall()
        return [_record(row) for row in rows]

    def content(self, root: str, selector: str) -> Digest | None:
        with self._database.transaction() as sql:
            row = sql.execute(
                "SELECT digest FROM build_contents WHERE root = ? AND selector = ?", (root, selector)
            ).fetchone()
        return None if row is None else Digest(row["digest"])

    def contents(self, root: str) -> Sequence[tuple[str, Digest]]:
        with self._database.transaction() as sql:
            rows = sql.execute(
                "SELECT selector, digest FROM build_contents WHERE root = ? ORDER BY selector", (root,)
            ).fetchall()
        return [(row["selector"], Digest(row["digest"])) for row in rows]

    def remember(self, root: str, selector: str, digest: Digest, now: int) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO build_contents (root, selector, digest, added) VALUES (?, ?, ?, ?)",
                (root, selector, digest, now),
            )

    def forget(self, before: int) -> None:
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM build_contents WHERE added < ?", (before,))


def _record(row: sqlite3.Row) -> CacheRecord:
    return msgspec.structs.replace(_decode(row["record"]), used=row["used"], uses=row["uses"])
