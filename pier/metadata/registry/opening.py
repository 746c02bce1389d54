"""From a database's address to the records in it."""

import asyncio
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument
from pier.metadata.registry.records import SqlRecords
from pier.metadata.registry.sqlite import SqliteDatabase
from pier.metadata.registry.transaction import Database

_POSTGRES: Final = ("postgresql://", "postgres://")


async def open_records(url: str) -> SqlRecords:
    """``sqlite:///path/to/file`` or ``postgresql://user:password@host/name``.

    Raises InvalidArgument for another address, Unavailable where nobody answers, DataCorrupted for a database that a
    newer Pier has made.
    """
    return SqlRecords(await asyncio.to_thread(_database, url))


def _database(url: str) -> Database:
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite://")))
    if not url.startswith(_POSTGRES):
        raise InvalidArgument(f"unknown database {url.partition(':')[0]!r}: sqlite:///PATH or postgresql://HOST/NAME")
    try:
        from pier.metadata.registry.postgres import PostgresDatabase
    except ImportError as error:
        raise InvalidArgument("PostgreSQL needs psycopg: pip install 'pier[postgres]'") from error
    database = PostgresDatabase(url)
    database.start()
    return database
