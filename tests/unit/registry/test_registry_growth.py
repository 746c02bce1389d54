"""What the registry's statements cost when there is much: twice as much of it must not be four times the work.

Work is counted in steps of SQLite's machine and in rows that are looked at, since these do not change with the host.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pier.metadata.registry import checks, jobs, manifests
from pier.metadata.registry.schema import MIGRATIONS
from pier.metadata.registry.transaction import Row
from pier.oci.digest import Digest
from pier.registry.model import Manifest, Reference

_STEP = 100


class Rows(list[Row]):
    """Those of one answer, with how often each was looked at."""

    looks = 0

    def __iter__(self) -> Iterator[Row]:
        Rows.looks += len(self)
        return super().__iter__()


class Counted:
    """Implements Transaction over a database in memory. ``steps`` are SQLite's, in hundreds."""

    def __init__(self) -> None:
        self.raw = sqlite3.connect(":memory:")
        self.steps = 0
        for statement in (statement for statements in MIGRATIONS for statement in statements):
            self.raw.execute(statement)
        self.raw.set_progress_handler(self._count, _STEP)

    def _count(self) -> int:
        self.steps += 1
        return 0

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return Rows(self.raw.execute(statement, parameters).fetchall())

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self.raw.executemany(statement, parameters)


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def steps(fill: Callable[[Counted], None], work: Callable[[Counted], object]) -> int:
    sql = Counted()
    fill(sql)
    before = sql.steps
    work(sql)
    return sql.steps - before


def blobs(count: int) -> Callable[[Counted], None]:
    """One repository with so many blobs, each of which two manifests refer to."""

    def fill(sql: Counted) -> None:
        links = [("team/a", digest(number)) for number in range(count)]
        sql.executemany("INSERT INTO links (repository, digest, refs, lease) VALUES (?, ?, 2, 0)", links)
        refs = [("team/a", digest(place), each) for _, each in links for place in (count + 1, count + 2)]
        sql.executemany("INSERT INTO refs (repository, manifest, digest, kind, size) VALUES (?, ?, ?, 'blob', 1)", refs)
        manifest = "INSERT INTO manifests VALUES ('team/a', ?, '', '', '', '{}', NULL, NULL, 1, 1, 0, 0, 0)"
        sql.executemany(manifest, [(digest(count + 1),), (digest(count + 2),)])
        sql.execute("INSERT INTO repositories VALUES ('team/a', 2)")
        known = [(each,) for _, each in links]
        sql.executemany("INSERT INTO blobs (digest, size, location, created, links) VALUES (?, 1, '', 1, 1)", known)

    return fill


def test_a_check_of_the_counts() -> None:
    def check(sql: Counted) -> None:
        assert checks.wrong_counts(sql, False) == []

    assert steps(blobs(2000), check) < 3 * steps(blobs(1000), check)


def backlog(count: int) -> Callable[[Counted], None]:
    def fill(sql: Counted) -> None:
        rows = [(f"{number}", f"webhook/{number % 2}", number) for number in range(count)]
        sql.executemany("INSERT INTO jobs VALUES (?, ?, x'', ?, 0, '', 0)", rows)

    return fill


def test_taking_one_of_many_jobs() -> None:
    """Where a receiver is out for a day, nobody else shall feel it: there is one writer."""

    def take(sql: Counted) -> None:
        for number in range(20):
            taken = jobs.take(sql, ("webhook/1", "webhook/0"), 1 << 40, 1 << 50)
            assert taken is not None and taken.id == f"{number}" and taken.attempts == 0

    assert steps(backlog(20_000), take) < 1.5 * steps(backlog(2_000), take)


def test_pushing_a_large_index_again() -> None:
    sql, count = Counted(), 500
    row = "INSERT INTO manifests VALUES ('team/a', ?, '', '', '', '{}', NULL, NULL, 1, 1, 0, 0, 0)"
    sql.executemany(row, [(digest(number),) for number in range(count)])
    references = tuple(Reference(digest(number), "manifest", 1) for number in range(count))
    index = Manifest(digest=digest(count), media_type="", data=b"", references=references)
    manifests.put(sql, "team/a", index, ["latest"], 1)
    Rows.looks = 0
    manifests.put(sql, "team/a", index, ["latest"], 2)
    assert Rows.looks < 10 * count
    assert manifests.delete(sql, "team/a", index.digest, 0) == ["latest"]
    assert sql.execute("SELECT count(*) FROM manifests") == sql.execute("SELECT count(*) FROM refs") == [(0,)]


def test_the_repositories_of_one_project() -> None:
    """Retention asks for them, project by project."""

    def fill(count: int) -> Callable[[Counted], None]:
        names = [("mine/a",), ("mine/b",), ("mine",), *((f"other{number}/a",) for number in range(count))]
        return lambda sql: sql.executemany("INSERT INTO repositories VALUES (?, 1)", names)

    def ask(sql: Counted) -> None:
        assert manifests.repositories(sql, "", 500, "mine") == ["mine", "mine/a", "mine/b"]
        assert manifests.repositories(sql, "mine/a", 500, "mine") == ["mine/b"]

    assert steps(fill(20_000), ask) <= steps(fill(200), ask) + 1
