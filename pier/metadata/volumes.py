"""Volumes, in the database."""

import msgspec

from pier.metadata.db import Database
from pier.volumes.volume import Volume

_encode = msgspec.json.Encoder().encode
_volume = msgspec.json.Decoder(Volume).decode


class SqliteVolumeStore:
    """Implements :class:`pier.volumes.store.VolumeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def volumes(self) -> list[Volume]:
        with self._database.transaction() as sql:
            return [_volume(row["record"]) for row in sql.execute("SELECT record FROM volumes ORDER BY name")]

    def volume(self, name: str) -> Volume | None:
        with self._database.transaction() as sql:
            row = sql.execute("SELECT record FROM volumes WHERE name = ?", (name,)).fetchone()
        return None if row is None else _volume(row["record"])

    def put_volume(self, volume: Volume) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO volumes (name, record) VALUES (?, ?)", (volume.name, _encode(volume).decode())
            )

    def delete_volume(self, name: str) -> None:
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM volumes WHERE name = ?", (name,))
