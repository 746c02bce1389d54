"""The records in a file: one writer, whose commits are durable together, and readers beside it.

A commit that survives a power loss costs an fsync. Writes that wait while one is under way share the next: each in a
savepoint of its own, so that one that fails undoes nothing of the others.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from pier.errors import DataCorrupted, InvalidArgument, NoSpace, Unavailable
from pier.metadata.registry.reserve import Reserve
from pier.metadata.registry.schema import MIGRATIONS
from pier.metadata.registry.transaction import Row, Transaction

T = TypeVar("T")

_READERS: Final = 4
_MOST_TOGETHER: Final = 64
_PATIENCE: Final = 10_000  # ms that another process may hold the file


class _Connection:
    """Implements :class:`pier.metadata.registry.transaction.Transaction`."""

    def __init__(self, path: str) -> None:
        self.raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_PATIENCE}", "foreign_keys=ON"):
            self.raw.execute(f"PRAGMA {pragma}")

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self.raw.execute(statement, parameters).fetchall()

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self.raw.executemany(statement, parameters)


class _Write:
    """Work that waits for its turn, and whoever waits for it."""

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, connection: _Connection) -> None:
        connection.raw.execute("SAVEPOINT one")
        try:
            self.result = self.work(connection)
        except sqlite3.Error:
            raise
        except Exception as error:
            self.error = error
            connection.raw.execute("ROLLBACK TO one")
        connection.raw.execute("RELEASE one")

    def answer(self, failure: BaseException | None = None) -> None:
        if failure or self.error:
            self.future.set_exception(failure or self.error)
        else:
            self.future.set_result(self.result)


class SqliteDatabase:
    """Implements :class:`pier.metadata.registry.transaction.Database` over the file ``path``."""

    def __init__(self, path: Path) -> None:
        self._reserve = Reserve(path)
        self._reserve.spend()
        try:
            self._writer = _Connection(str(path))
            _migrate(self._writer)
            self._idle: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
            for _ in range(_READERS):
                self._idle.put(_Connection(str(path)))
        except sqlite3.Error as error:
            raise _kind(error, str(path)) from error
        self._reserve.fill()
        self._path = str(path)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="records")
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._write_all, name="records-writer", daemon=True)
        self._thread.start()

    async def read(self, work: Callable[[Transaction], T], slow: bool = False) -> T:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Transaction], T]) -> T:
        connection = self._idle.get()
        try:
            connection.raw.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _kind(error, self._path) from error
        finally:
            self._idle.put(connection)

    async def write(
        self, work: Callable[[Transaction], T], among: str = "", grows: bool = False, slow: bool = False
    ) -> T:
        """There is one writer: whatever they are ``among``, they take turns."""
        self._check_open()
        write = _Write(partial(self._grow, work) if grows else work)
        self._waiting.put(write)
        result: T = await asyncio.wrap_future(write.future)
        return result

    def _grow(self, work: Callable[[Transaction], T], sql: Transaction) -> T:
        if self._reserve.alone():
            raise NoSpace(f"write {self._path}: no space left on device")
        return work(sql)

    def _write_all(self) -> None:
        while (first := self._waiting.get()) is not None:
            together, last = [first], False
            while len(together) < _MOST_TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    last = True
                    break
                together.append(following)
            try:
                self._commit(together)
            except Exception as error:  # whatever breaks in here: somebody waits for each of them, and more will come
                for write in together:
                    if not write.future.done():
                        write.future.set_exception(Unavailable(f"the database {self._path} is broken: {error}"))
            self._reserve.fill()
            if last:
                return

    def _commit(self, writes: list[_Write]) -> None:
        """All of them in one transaction; where the database itself fails, each by itself."""
        writes = [write for write in writes if write.future.set_running_or_notify_cancel()]
        failure = self._attempt(writes)
        if failure is None or len(writes) == 1:
            for write in writes:
                write.answer(failure)
            return
        for write in writes:
            write.result = write.error = None
            write.answer(self._attempt([write]))

    def _attempt(self, writes: list[_Write]) -> BaseException | None:
        raw = self._writer.raw
        try:
            raw.execute("BEGIN IMMEDIATE")
            for write in writes:
                write.run(self._writer)
            raw.execute("COMMIT")
        except Exception as error:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            return _kind(error, self._path) if isinstance(error, sqlite3.Error) else error
        return None

    def _check_open(self) -> None:
        if self._ended:
            raise Unavailable(f"the database {self._path} is stopped")

    async def stop(self) -> None:
        """What waits is done first. All calls come from one event loop, so nothing can queue up behind the end."""
        if self._ended:
            return
        self._ended = True
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._readers.shutdown)
        self._reserve.save()
        while not self._idle.empty():
            self._idle.get().raw.close()
        self._writer.raw.close()


def _migrate(connection: _Connection) -> None:
    raw = connection.raw
    raw.execute("BEGIN IMMEDIATE")
    try:
        version = raw.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise DataCorrupted(
                f"the registry's database has schema {version}, this Pier knows {len(MIGRATIONS)}: run a newer one"
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in statements:
                raw.execute(statement)
            raw.execute(f"PRAGMA user_version={number}")
        raw.execute("COMMIT")
    finally:
        if raw.in_transaction:
            raw.execute("ROLLBACK")


def _kind(error: sqlite3.Error, path: str) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return NoSpace(f"write {path}: no space left on device")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DataCorrupted(f"{path} is damaged: {error}")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return InvalidArgument(f"cannot use the database {path}: {error}")
    if isinstance(error, sqlite3.OperationalError):
        return Unavailable(f"the database {path} does not answer: {error}")
    return error
