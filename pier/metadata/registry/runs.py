"""How jobs went."""

from typing import Any, Final

import msgspec

from pier.metadata.registry.transaction import Transaction
from pier.registry.model import Run

_FACTS: Final = "id, kind, name, subject, state, created, started, ended, note"


def put(sql: Transaction, run: Run, keep: int) -> None:
    row = msgspec.structs.astuple(run)
    sql.execute(
        f"INSERT INTO runs ({_FACTS}, log) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "state = excluded.state, started = excluded.started, ended = excluded.ended, note = excluded.note, "
        "subject = excluded.subject, log = excluded.log",
        row,
    )
    sql.execute(
        "DELETE FROM runs WHERE kind = ? AND name = ? AND id NOT IN "
        "(SELECT id FROM runs WHERE kind = ? AND name = ? ORDER BY created DESC, id LIMIT ?)",
        (run.kind, run.name, run.kind, run.name, keep),
    )


def find(sql: Transaction, id: str) -> Run | None:
    rows = sql.execute(f"SELECT {_FACTS}, log FROM runs WHERE id = ?", (id,))
    return _run(*rows[0]) if rows else None


def listing(sql: Transaction, kind: str, name: str, limit: int) -> list[Run]:
    rows = sql.execute(
        f"SELECT {_FACTS}, '' FROM runs WHERE (? = '' OR kind = ?) AND (? = '' OR name = ?) "
        "ORDER BY created DESC, id LIMIT ?",
        (kind, kind, name, name, limit),
    )
    return [_run(*row) for row in rows]


def _run(*row: Any) -> Run:
    return msgspec.convert(dict(zip(Run.__struct_fields__, row, strict=True)), Run)
