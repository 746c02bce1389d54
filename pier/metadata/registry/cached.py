"""What was pulled through from other registries: manifests, tags, and which blobs stay for them."""

from collections.abc import Mapping
from typing import Final

from pier.metadata.registry import links
from pier.metadata.registry.transaction import Transaction
from pier.oci.digest import Digest
from pier.registry.model import Cached, KeptRepository

_FOR_EVER: Final = 1 << 40
_BATCH: Final = 200


def put(sql: Transaction, repository: str, manifest: Cached, tag: str, now: int) -> None:
    _note(sql, repository, manifest.digest, manifest.media_type, manifest.data, len(manifest.data), now)
    if tag:
        sql.execute(
            "INSERT INTO cached_tags (repository, name, digest, checked) VALUES (?, ?, ?, ?) ON CONFLICT "
            "(repository, name) DO UPDATE SET digest = excluded.digest, checked = excluded.checked",
            (repository, tag, manifest.digest, now),
        )


def _note(
    sql: Transaction, repository: str, digest: str, media_type: str, data: bytes | None, size: int, now: int
) -> None:
    """Some registries give a manifest's bytes as a blob too: a manifest stays one, whichever came first."""
    sql.execute(
        "INSERT INTO cached (repository, digest, media_type, data, size, used) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (repository, digest) DO UPDATE SET used = excluded.used, "
        "data = coalesce(cached.data, excluded.data), "
        "media_type = CASE WHEN cached.data IS NULL THEN excluded.media_type ELSE cached.media_type END",
        (repository, digest, media_type, data, size, now),
    )


def find(sql: Transaction, repository: str, reference: str) -> Cached | None:
    if ":" in reference:
        rows = sql.execute(
            "SELECT digest, media_type, data, 0 FROM cached WHERE repository = ? AND digest = ? AND data IS NOT NULL",
            (repository, reference),
        )
    else:
        rows = sql.execute(
            "SELECT c.digest, c.media_type, c.data, t.checked FROM cached_tags t JOIN cached c "
            "ON c.repository = t.repository AND c.digest = t.digest WHERE t.repository = ? AND t.name = ?",
            (repository, reference),
        )
    if not rows:
        return None
    digest, media_type, data, checked = rows[0]
    return Cached(digest=Digest(digest), media_type=media_type, data=bytes(data), checked=checked)


def check(sql: Transaction, repository: str, tag: str, now: int) -> None:
    sql.execute("UPDATE cached_tags SET checked = ? WHERE repository = ? AND name = ?", (now, repository, tag))


def drop(sql: Transaction, repository: str, reference: str) -> bool:
    if ":" not in reference:
        gone = sql.execute(
            "DELETE FROM cached_tags WHERE repository = ? AND name = ? RETURNING name", (repository, reference)
        )
        return bool(gone)
    sql.execute("DELETE FROM cached_tags WHERE repository = ? AND digest = ?", (repository, reference))
    gone = sql.execute(
        "UPDATE cached SET data = NULL, media_type = '' WHERE repository = ? AND digest = ? AND data IS NOT NULL "
        "RETURNING digest",
        (repository, reference),
    )
    sql.execute(
        "DELETE FROM cached WHERE repository = ? AND digest = ? AND NOT EXISTS (SELECT 1 FROM links l WHERE "
        "l.repository = cached.repository AND l.digest = cached.digest AND l.lease = ?)",
        (repository, reference, _FOR_EVER),
    )
    return bool(gone)


def known(sql: Transaction, repository: str) -> bool:
    return bool(sql.execute("SELECT 1 FROM cached WHERE repository = ? LIMIT 1", (repository,)))


def tags(sql: Transaction, repository: str) -> list[str]:
    rows = sql.execute("SELECT name FROM cached_tags WHERE repository = ? ORDER BY name", (repository,))
    return [name for (name,) in rows]


def keep(sql: Transaction, repository: str, digest: Digest, size: int, now: int) -> None:
    """A blob that has gone in this moment is not kept: it comes again when it is asked for."""
    there = sql.execute(
        "UPDATE links SET lease = ? WHERE repository = ? AND digest = ? RETURNING digest",
        (_FOR_EVER, repository, digest),
    )
    if there:
        _note(sql, repository, digest, "", None, size, now)


def use(sql: Transaction, used: Mapping[tuple[str, Digest], int]) -> None:
    sql.executemany(
        "UPDATE cached SET used = ? WHERE repository = ? AND digest = ?",
        [(when, repository, digest) for (repository, digest), when in used.items()],
    )


def sizes(sql: Transaction) -> dict[str, int]:
    found: dict[str, int] = {}
    for repository, size in sql.execute("SELECT repository, SUM(size) FROM cached GROUP BY repository"):
        name = repository.partition("/")[0]
        found[name] = found.get(name, 0) + int(size)
    return found


def kept(sql: Transaction, upstream: str, after: str, limit: int) -> list[KeptRepository]:
    first = f"{upstream}/"
    rows = sql.execute(
        "SELECT repository, SUM(size), MAX(used) FROM cached WHERE substr(repository, 1, ?) = ? AND repository > ? "
        "GROUP BY repository ORDER BY repository LIMIT ?",
        (len(first), first, after, limit),
    )
    return [KeptRepository(name, int(size), int(used), tags(sql, name)) for name, size, used in rows]


def evict(sql: Transaction, bytes: int, until: int) -> int:
    freed = 0
    for repository, digest, size in sql.execute(
        "SELECT repository, digest, size FROM cached ORDER BY used, digest LIMIT ?", (_BATCH,)
    ):
        if freed >= bytes:
            break
        sql.execute("DELETE FROM cached_tags WHERE repository = ? AND digest = ?", (repository, digest))
        sql.execute("DELETE FROM cached WHERE repository = ? AND digest = ?", (repository, digest))
        links.shorten(sql, repository, Digest(digest), until)
        freed += size
    return freed
