"""Which repositories have which blobs, and what that makes a project take."""

import hashlib
from collections.abc import Iterable
from typing import Final

from pier.metadata.registry.transaction import Transaction
from pier.oci.digest import Digest
from pier.registry.names import project

_ANYBODY: Final = ",*"
_LONGEST: Final = 32 * 9


def _mark(holder: str) -> str:
    """Of one length for all holders, so that none is part of another."""
    return f",{hashlib.sha256(holder.encode()).hexdigest()[:8]}" if holder else _ANYBODY


def lease(sql: Transaction, repository: str, digest: Digest, until: int, holder: str = "") -> None:
    """Give a live blob to the repository, or keep it there at least ``until``."""
    rows = sql.execute("SELECT lease, holders FROM links WHERE repository = ? AND digest = ?", (repository, digest))
    if rows:
        before, holders = rows[0]
        if _mark(holder) not in holders:
            holders = holders + _mark(holder) if len(holders) < _LONGEST else _ANYBODY
        sql.execute(
            "UPDATE links SET lease = ?, holders = ? WHERE repository = ? AND digest = ?",
            (max(before, until), holders, repository, digest),
        )
        return
    sql.execute(
        "INSERT INTO links (repository, digest, lease, holders) VALUES (?, ?, ?, ?)",
        (repository, digest, until, _mark(holder)),
    )
    sql.execute("UPDATE blobs SET links = links + 1 WHERE digest = ?", (digest,))
    held = sql.execute(
        "INSERT INTO holdings (project, digest, links) VALUES (?, ?, 1) "
        "ON CONFLICT (project, digest) DO UPDATE SET links = holdings.links + 1 RETURNING links",
        (project(repository), digest),
    )
    if held[0][0] == 1:
        _weigh(sql, project(repository), digest, 1)


def need(sql: Transaction, repository: str, digests: Iterable[Digest]) -> None:
    """One more manifest refers to them."""
    sql.executemany(
        "UPDATE links SET refs = refs + 1 WHERE repository = ? AND digest = ?",
        [(repository, digest) for digest in digests],
    )


def release(sql: Transaction, repository: str, digests: Iterable[Digest], holder: str) -> None:
    """What the holder has leased them for is done; where nobody else has, the leases end."""
    mark = _mark(holder)
    if mark != _ANYBODY:
        sql.executemany(
            "UPDATE links SET lease = CASE WHEN replace(holders, ?, '') = '' THEN 0 ELSE lease END, "
            "holders = replace(holders, ?, '') WHERE repository = ? AND digest = ?",
            [(mark, mark, repository, digest) for digest in digests],
        )


def give_up(sql: Transaction, repository: str, holder: str) -> None:
    """What the holder alone has leased, and no manifest needs, goes."""
    if _mark(holder) != _ANYBODY:
        sql.execute(
            "UPDATE links SET lease = 0, holders = '' WHERE repository = ? AND refs = 0 AND holders = ?",
            (repository, _mark(holder)),
        )


def unneed(sql: Transaction, repository: str, digests: Iterable[Digest], keep: int) -> None:
    """One manifest less refers to them: they stay at least until ``keep``."""
    sql.executemany(
        "UPDATE links SET refs = refs - 1, lease = CASE WHEN lease < ? THEN ? ELSE lease END "
        "WHERE repository = ? AND digest = ?",
        [(keep, keep, repository, digest) for digest in digests],
    )


def shorten(sql: Transaction, repository: str, digest: Digest, until: int) -> None:
    """The lease ends at ``until`` at the latest."""
    sql.execute(
        "UPDATE links SET lease = ? WHERE repository = ? AND digest = ? AND lease > ?",
        (until, repository, digest, until),
    )


def cut(sql: Transaction, repository: str, digest: Digest) -> None:
    """Take a blob from a repository that has it."""
    sql.execute("DELETE FROM links WHERE repository = ? AND digest = ?", (repository, digest))
    sql.execute("DELETE FROM cached WHERE repository = ? AND digest = ? AND data IS NULL", (repository, digest))
    sql.execute("UPDATE blobs SET links = links - 1 WHERE digest = ?", (digest,))
    held = sql.execute(
        "UPDATE holdings SET links = links - 1 WHERE project = ? AND digest = ? RETURNING links",
        (project(repository), digest),
    )
    if held and held[0][0] == 0:
        sql.execute("DELETE FROM holdings WHERE project = ? AND digest = ?", (project(repository), digest))
        _weigh(sql, project(repository), digest, -1)


def _weigh(sql: Transaction, name: str, digest: Digest, sign: int) -> None:
    rows = sql.execute("SELECT size FROM blobs WHERE digest = ?", (digest,))
    size = sign * rows[0][0] if rows else 0
    sql.execute(
        "INSERT INTO usage (project, bytes) VALUES (?, ?) ON CONFLICT (project) DO UPDATE SET bytes = usage.bytes + ?",
        (name, size, size),
    )


def usage(sql: Transaction, name: str) -> dict[str, int]:
    where, parameters = ("WHERE project = ?", (name,)) if name else ("", ())
    return dict(sql.execute(f"SELECT project, bytes FROM usage {where}", parameters))
