"""Container records, in the database."""

import sqlite3

import msgspec

from pier.containers.container import Container
from pier.errors import Conflict, DataCorrupted
from pier.metadata.db import Database

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Container).decode


class SqliteContainerStore:
    """Implements :class:`pier.containers.store.ContainerStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def containers(self) -> list[Container]:
        with self._database.transaction() as sql:
            rows = sql.execute("SELECT id, record FROM containers").fetchall()
        return sorted((_record(row) for row in rows), key=lambda record: record.created)

    def put_container(self, container: Container) -> None:
        try:
            with self._database.transaction() as sql:
                sql.execute(
                    "INSERT INTO containers (id, name, record) VALUES (?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record",
                    (container.id, container.name, _encode(container).decode()),
                )
        except sqlite3.IntegrityError as error:
            raise Conflict(f'The container name "/{container.name}" is already in use') from error

    def delete_container(self, container_id: str) -> None:
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM containers WHERE id = ?", (container_id,))


def _record(row: sqlite3.Row) -> Container:
    try:
        return _decode(row["record"])
    except msgspec.DecodeError as error:
        raise DataCorrupted(f"pier.db: the record of container {row['id']} cannot be read: {error}") from error
