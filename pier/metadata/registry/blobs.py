"""Blobs: who has them, until when, and which may go."""

from collections.abc import Iterable
from typing import Final

from pier.errors import Conflict
from pier.metadata.registry import access, links, uploads
from pier.metadata.registry.transaction import Transaction
from pier.oci.digest import Digest
from pier.registry.model import Blob, Upload
from pier.registry.names import project
from pier.registry.records import CONDEMNED
from pier.registry.refusals import Code, Refusal, no_room

_COLUMNS: Final = "digest, size, location, created"
_OF_A_REPOSITORY: Final = (
    "SELECT b.digest, b.size, b.location, b.created FROM links l JOIN blobs b ON b.digest = l.digest "
    "WHERE l.repository = ? AND l.digest = ? AND b.claimed = 0"
)
_REMEMBERED: Final = 60
"""Seconds after which somebody else deletes what was claimed and is still there."""


def add(sql: Transaction, repository: str, upload_id: str, blob: Blob, lease: int, holder: str) -> Blob:
    upload = uploads.find(sql, repository, upload_id)
    if upload is None or upload.offset == CONDEMNED:
        raise Refusal(Code.BLOB_UPLOAD_UNKNOWN, "blob upload unknown to registry")
    known = _live(sql, blob.digest)
    if known is None:
        _condemn_old(sql, blob.digest)
        sql.execute(
            "INSERT INTO blobs (digest, size, location, created) VALUES (?, ?, ?, ?) ON CONFLICT (digest) "
            "DO UPDATE SET size = excluded.size, location = excluded.location, created = excluded.created, claimed = 0",
            (blob.digest, blob.size, blob.location, blob.created),
        )
        uploads.end(sql, upload_id)
    else:
        uploads.advance(sql, upload_id, upload.offset, CONDEMNED, upload.state, upload.touched)
    _give(sql, repository, blob.digest, lease, holder)
    return known or blob


def _give(sql: Transaction, repository: str, digest: Digest, lease: int, holder: str) -> None:
    """Raises Refusal DENIED where that makes the project take more than it may."""
    name = project(repository)
    rules = access.find_project(sql, name)
    before = links.usage(sql, name).get(name, 0) if rules and rules.quota else 0
    links.lease(sql, repository, digest, lease, holder)
    if rules and rules.quota and (taken := links.usage(sql, name).get(name, 0)) > max(rules.quota, before):
        raise no_room(name, taken, rules.quota)


def _condemn_old(sql: Transaction, digest: Digest) -> None:
    """Bytes that somebody claimed and may not live to delete are a condemned upload's, once their row is another's."""
    for location, claimed in sql.execute("SELECT location, claimed FROM blobs WHERE digest = ?", (digest,)):
        gone = Upload(
            id=f"claimed {location}", repository="", location=location, offset=CONDEMNED, started=claimed, touched=0
        )
        uploads.begin(sql, gone)


def _live(sql: Transaction, digest: Digest) -> Blob | None:
    rows = sql.execute(f"SELECT {_COLUMNS} FROM blobs WHERE digest = ? AND claimed = 0", (digest,))
    return Blob(*rows[0]) if rows else None


def find(sql: Transaction, repository: str, digest: Digest) -> Blob | None:
    rows = sql.execute(_OF_A_REPOSITORY, (repository, digest))
    return Blob(*rows[0]) if rows else None


def keep(sql: Transaction, repository: str, digest: Digest, lease: int, holder: str) -> Blob | None:
    return mount(sql, repository, repository, digest, lease, holder)


def mount(sql: Transaction, repository: str, source: str, digest: Digest, lease: int, holder: str) -> Blob | None:
    found = find(sql, source, digest)
    if found is not None:
        links.lease(sql, repository, digest, lease, holder)
    return found


def homes(sql: Transaction, digest: Digest, limit: int) -> list[str]:
    rows = sql.execute(
        "SELECT l.repository FROM links l JOIN blobs b ON b.digest = l.digest "
        "WHERE l.digest = ? AND b.claimed = 0 ORDER BY l.repository LIMIT ?",
        (digest, limit),
    )
    return [name for (name,) in rows]


def unlink(sql: Transaction, repository: str, digest: Digest) -> bool:
    rows = sql.execute("SELECT refs FROM links WHERE repository = ? AND digest = ?", (repository, digest))
    if not rows:
        return False
    if rows[0][0]:
        raise Conflict(f"blob {digest} is part of {rows[0][0]} manifests of {repository}")
    links.cut(sql, repository, digest)
    return True


def end_leases(sql: Transaction, now: int, limit: int) -> int:
    ended = sql.execute(
        "SELECT repository, digest FROM links WHERE refs = 0 AND lease < ? ORDER BY lease LIMIT ?", (now, limit)
    )
    for repository, digest in ended:
        links.cut(sql, repository, digest)
    return len(ended)


def claim_garbage(sql: Transaction, now: int, limit: int) -> list[Blob]:
    end_leases(sql, now, limit)
    rows = sql.execute(
        f"SELECT {_COLUMNS} FROM blobs WHERE links = 0 AND claimed < ? ORDER BY claimed LIMIT ?",
        (now - _REMEMBERED, limit),
    )
    found = [Blob(*row) for row in rows]
    sql.executemany("UPDATE blobs SET claimed = ? WHERE digest = ?", [(now, blob.digest) for blob in found])
    return found


def forget(sql: Transaction, blobs: Iterable[Blob]) -> None:
    gone = [(blob.digest, blob.location) for blob in blobs]
    sql.executemany("DELETE FROM blobs WHERE digest = ? AND location = ? AND claimed <> 0", gone)
