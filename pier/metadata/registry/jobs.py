"""Work that outlives a request, and which instance does what."""

from collections.abc import Iterable
from typing import Final

from pier.metadata.registry.transaction import Transaction, marks
from pier.registry.model import Job

_COLUMNS: Final = "id, kind, detail, due, attempts, last_error, created"


def add(sql: Transaction, job: Job) -> None:
    row = (job.id, job.kind, job.detail, job.due, job.attempts, job.last_error, job.created)
    sql.execute(f"INSERT INTO jobs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def add_all(sql: Transaction, jobs: Iterable[Job]) -> None:
    for job in jobs:
        add(sql, job)


def take(sql: Transaction, kinds: tuple[str, ...], now: int, until: int) -> Job | None:
    due = [job for kind in kinds if (job := _first(sql, kind, now))]
    if not due:
        return None
    job = min(due, key=lambda each: (each.due, each.id))
    sql.execute("UPDATE jobs SET due = ?, attempts = attempts + 1 WHERE id = ?", (until, job.id))
    return job


def _first(sql: Transaction, kind: str, now: int) -> Job | None:
    """Of one kind, since the index is in its order: of several at once, all that are due would be sorted each time."""
    rows = sql.execute(f"SELECT {_COLUMNS} FROM jobs WHERE kind = ? AND due <= ? ORDER BY due, id LIMIT 1", (kind, now))
    return _job(*rows[0]) if rows else None


def end(sql: Transaction, id: str) -> None:
    sql.execute("DELETE FROM jobs WHERE id = ?", (id,))


def put_off(sql: Transaction, id: str, due: int, error: str) -> None:
    sql.execute("UPDATE jobs SET due = ?, last_error = ? WHERE id = ?", (due, error, id))


def listing(sql: Transaction, kinds: tuple[str, ...]) -> list[Job]:
    where = f"WHERE kind IN ({marks(kinds)})" if kinds else ""
    return [_job(*row) for row in sql.execute(f"SELECT {_COLUMNS} FROM jobs {where} ORDER BY due, id", kinds)]


def _job(id: str, kind: str, detail: bytes, due: int, attempts: int, last_error: str, created: int) -> Job:
    return Job(
        id=id,
        kind=kind,
        detail=bytes(detail),
        due=due,
        attempts=attempts,
        last_error=last_error,
        created=created,
    )


def lock(sql: Transaction, name: str, holder: str, now: int, until: int) -> bool:
    rows = sql.execute("SELECT holder, ends FROM locks WHERE name = ?", (name,))
    if rows and rows[0][0] != holder and rows[0][1] > now:
        return False
    sql.execute(
        "INSERT INTO locks (name, holder, ends) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends",
        (name, holder, until),
    )
    return True
