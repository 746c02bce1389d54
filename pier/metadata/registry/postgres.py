"""The records in PostgreSQL: for several instances behind one address.

Writes are serialisable: the server refuses one of two that could not have happened one after the other, and it is begun
again. A server that is away is asked anew for each call; nothing has to be restarted when it is back. Nobody waits for
ever: neither for a server that is there and says nothing, nor for those who wait for it.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from pier.errors import DataCorrupted, InvalidArgument, NoSpace, Unavailable
from pier.log import Logger
from pier.metadata.registry.schema import MIGRATIONS, for_postgres
from pier.metadata.registry.transaction import Row, Transaction

T = TypeVar("T")

_CONNECTIONS: Final = 8
_PATIENCE: Final = 5.0
_ATTEMPTS: Final = 30
_LONGEST_PAUSE: Final = 0.25
_MIGRATING: Final = 0x70696572
_ANSWER: Final = 10.0
_SLOW_ANSWER: Final = 600.0
"""Seconds for the answer to a statement: of one that reads whole tables, or makes them."""
_TURN: Final = 30.0
"""Seconds until a call has its turn: the others wait for something that does not come."""
_UNHEARD: Final = 15
"""Seconds after which a server that acknowledges nothing is away: Linux alone would wait for a quarter of an hour."""
_OPTIONS: Final = {
    "application_name": "pier-registry",
    "connect_timeout": int(_PATIENCE),
    "keepalives_idle": _UNHEARD,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": _UNHEARD * 1000,
}
_log: Final = Logger("pier.registry")


class _Onwards(logging.Handler):
    """What the pool has to say goes into our log, in one line."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.warning(f"database: {' '.join(record.getMessage().split())}")


class _Raw(psycopg.Connection[Row]):
    """Waits ``patience`` seconds for each answer, then leaves: OperationalError."""

    patience = _ANSWER

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        return super().wait(self._watched(gen), *arguments, **options)

    def _watched(self, steps: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """``steps`` say what they wait for, and are sent whether it came: 0 is now and then, while nothing does."""
        patience = self.patience
        until = time.monotonic() + patience
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > until:
                    self.close()
                    raise errors.OperationalError(f"no answer for {patience:.0f} seconds")
                wanted = steps.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result


class _Statements:
    """Implements :class:`pier.metadata.registry.transaction.Transaction`."""

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        cursor = self._raw.execute(_translated(statement), parameters)
        return cursor.fetchall() if cursor.description else []

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        with self._raw.cursor() as cursor:
            cursor.executemany(_translated(statement), parameters)


def _translated(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


class PostgresDatabase:
    """Implements :class:`pier.metadata.registry.transaction.Database` for the server at ``url``."""

    def __init__(self, url: str) -> None:
        try:
            place = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise InvalidArgument(f"cannot read the database's address: {error}") from error
        self._name = f"{place.get('host') or 'the local server'}/{place.get('dbname') or ''}"
        self._pool: ConnectionPool[_Raw] = ConnectionPool(
            url,
            min_size=1,
            max_size=_CONNECTIONS,
            open=False,
            timeout=_PATIENCE,
            reconnect_timeout=_PATIENCE,
            connection_class=_Raw,
            check=_check,
            kwargs=dict(_OPTIONS),
        )
        told = logging.getLogger("psycopg.pool")
        told.handlers[:], told.propagate = [_Onwards(logging.WARNING)], False
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="records")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._ended = False

    def start(self) -> None:
        """Connect, and bring the schema up to date. Raises Unavailable, DataCorrupted for a newer schema."""
        try:
            self._pool.open(wait=True, timeout=_PATIENCE)
            with self._pool.connection() as raw:
                raw.patience = _SLOW_ANSWER
                _migrate(raw)
        except (psycopg.Error, PoolTimeout) as error:
            self._pool.close()
            raise self._kind(error) from error

    async def read(self, work: Callable[[Transaction], T], slow: bool = False) -> T:
        return await self._hop(self._read, work, slow)

    def _read(self, work: Callable[[Transaction], T], slow: bool) -> T:
        try:
            with self._pool.connection() as raw:
                raw.patience = _SLOW_ANSWER if slow else _ANSWER
                return work(_Statements(raw))
        except (psycopg.Error, PoolTimeout) as error:
            raise self._kind(error) from error

    async def write(
        self, work: Callable[[Transaction], T], among: str = "", grows: bool = False, slow: bool = False
    ) -> T:
        """Who waits for others takes no connection: those who share nothing with them go on."""
        if not among:
            return await self._hop(self._write, work, slow)
        async with self._alone(among):
            return await self._hop(self._write, work, slow)

    @asynccontextmanager
    async def _alone(self, among: str) -> AsyncIterator[None]:
        lock = self._turns.setdefault(among, asyncio.Lock())
        try:
            async with asyncio.timeout(_TURN):
                await lock.acquire()
        except TimeoutError as error:
            raise self._crowded() from error
        try:
            yield
        finally:
            lock.release()

    async def _hop(self, call: Callable[..., T], *arguments: Any) -> T:
        """In a thread. What has begun by then is waited for."""
        self._check_open()
        future = self._threads.submit(call, *arguments)
        answer = asyncio.wrap_future(future)
        try:
            await asyncio.wait([answer], timeout=_TURN)
            if not answer.done() and future.cancel():
                raise self._crowded()
            return await answer
        finally:
            answer.cancel()

    def _crowded(self) -> Unavailable:
        return Unavailable(f"the database {self._name} does not answer: others have waited for {_TURN:.0f} seconds")

    def _write(self, work: Callable[[Transaction], T], slow: bool) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._pool.connection() as raw:
                    raw.patience = _SLOW_ANSWER if slow else _ANSWER
                    raw.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                    result = work(_Statements(raw))
                return result
            except (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation) as error:
                if attempt == _ATTEMPTS:
                    raise Unavailable("the database is too busy: too many writers want the same rows") from error
            except (psycopg.Error, PoolTimeout) as error:
                raise self._kind(error) from error
            time.sleep(random.uniform(0.2, 1) * min(_LONGEST_PAUSE, 0.002 * 2.0**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _kind(self, error: Exception) -> Exception:
        if isinstance(error, PoolClosed):
            return Unavailable(f"the database {self._name} is stopped")
        if isinstance(error, psycopg.DataError):
            return InvalidArgument(f"the database cannot keep that: {str(error).strip()}")
        if isinstance(error, errors.DiskFull):
            return NoSpace(f"database {self._name}: no space left on device")
        if isinstance(error, errors.ReadOnlySqlTransaction):  # a standby, that has not taken over yet
            return Unavailable(f"the database {self._name} takes no writes: {str(error).strip()}")
        if isinstance(error, PoolTimeout | psycopg.OperationalError | psycopg.InterfaceError):
            return Unavailable(f"the database {self._name} does not answer: {str(error).strip()}")
        return error

    def _check_open(self) -> None:
        if self._ended:
            raise Unavailable(f"the database {self._name} is stopped")

    async def stop(self) -> None:
        """What has a connection ends; what waits for one does not wait for a server that may be away."""
        self._ended = True
        await asyncio.to_thread(self._pool.close)
        await asyncio.to_thread(self._threads.shutdown)


def _check(raw: _Raw) -> None:
    """A connection that has been idle, before it is used: it may have been lost meanwhile, or its server be silent."""
    raw.patience = _PATIENCE
    ConnectionPool.check_connection(raw)


def _migrate(raw: _Raw) -> None:
    """One instance at a time."""
    raw.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
    raw.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    row = raw.execute("SELECT max(version) FROM schema_version").fetchone()
    version = (row[0] if row else None) or 0
    if version > len(MIGRATIONS):
        raise DataCorrupted(
            f"the registry's database has schema {version}, this Pier knows {len(MIGRATIONS)}: run a newer one"
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            raw.execute(for_postgres(statement).encode())
        raw.execute("INSERT INTO schema_version (version) VALUES (%s)", (number,))
