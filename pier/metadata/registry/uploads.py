"""Uploads: blobs that are being brought."""

from typing import Final

from pier.metadata.registry.transaction import Transaction
from pier.registry.model import Upload

_COLUMNS: Final = "id, repository, location, reached, state, started, touched"


def begin(sql: Transaction, upload: Upload) -> None:
    row = (upload.id, upload.repository, upload.location, upload.offset, upload.state, upload.started, upload.touched)
    sql.execute(f"INSERT INTO uploads ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def find(sql: Transaction, repository: str, id: str) -> Upload | None:
    rows = sql.execute(f"SELECT {_COLUMNS} FROM uploads WHERE id = ? AND repository = ?", (id, repository))
    return _upload(*rows[0]) if rows else None


def advance(sql: Transaction, id: str, before: int, offset: int, state: bytes, now: int) -> bool:
    changed = sql.execute(
        "UPDATE uploads SET reached = ?, state = ?, touched = ? WHERE id = ? AND reached = ? RETURNING id",
        (offset, state, now, id, before),
    )
    return bool(changed)


def end(sql: Transaction, id: str) -> None:
    sql.execute("DELETE FROM uploads WHERE id = ?", (id,))


def stale(sql: Transaction, touched_before: int, limit: int) -> list[Upload]:
    rows = sql.execute(
        f"SELECT {_COLUMNS} FROM uploads WHERE touched < ? ORDER BY touched LIMIT ?", (touched_before, limit)
    )
    return [_upload(*row) for row in rows]


def _upload(id: str, repository: str, location: str, reached: int, state: bytes, started: int, touched: int) -> Upload:
    return Upload(
        id=id,
        repository=repository,
        location=location,
        offset=reached,
        state=bytes(state),
        started=started,
        touched=touched,
    )
