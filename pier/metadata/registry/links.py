"""Which repositories have which blobs, and what that makes a project take."""

from pier.metadata.registry.transaction import Transaction
from pier.oci.digest import Digest
from pier.registry.names import project


def lease(sql: Transaction, repository: str, digest: Digest, until: int) -> None:
    """Give a live blob to the repository, or keep it there at least ``until``."""
    changed = sql.execute(
        "UPDATE links SET lease = CASE WHEN lease < ? THEN ? ELSE lease END WHERE repository = ? AND digest = ? "
        "RETURNING lease",
        (until, until, repository, digest),
    )
    if changed:
        return
    sql.execute("INSERT INTO links (repository, digest, lease) VALUES (?, ?, ?)", (repository, digest, until))
    sql.execute("UPDATE blobs SET links = links + 1 WHERE digest = ?", (digest,))
    held = sql.execute(
        "INSERT INTO holdings (project, digest, links) VALUES (?, ?, 1) "
        "ON CONFLICT (project, digest) DO UPDATE SET links = holdings.links + 1 RETURNING links",
        (project(repository), digest),
    )
    if held[0][0] == 1:
        _weigh(sql, project(repository), digest, 1)


def cut(sql: Transaction, repository: str, digest: Digest) -> None:
    """Take a blob from a repository that has it."""
    sql.execute("DELETE FROM links WHERE repository = ? AND digest = ?", (repository, digest))
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
