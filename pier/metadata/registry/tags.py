"""Tags: which names a repository has for its manifests."""

from fnmatch import fnmatchcase
from typing import Final

from pier.metadata.registry.access import find_project
from pier.metadata.registry.transaction import Transaction
from pier.oci.digest import Digest
from pier.registry.model import Tag
from pier.registry.names import project
from pier.registry.refusals import Code, Refusal

_COLUMNS: Final = "repository, name, digest, created, updated, pulled"


class Fixed:
    """Which tags of a repository its project lets nobody move or delete."""

    def __init__(self, sql: Transaction, repository: str) -> None:
        found = find_project(sql, project(repository))
        self._patterns = found.immutable if found else ()
        self.quota = found.quota if found else 0

    def check(self, name: str) -> None:
        """Raises Refusal DENIED."""
        if any(fnmatchcase(name, pattern) for pattern in self._patterns):
            raise Refusal(Code.DENIED, f"tag {name} is immutable", {"tag": name})


def move(sql: Transaction, repository: str, name: str, digest: Digest, now: int, fixed: Fixed) -> bool:
    """Let the tag name the manifest; whether it named another or none. Raises Refusal DENIED."""
    rows = sql.execute("SELECT digest FROM tags WHERE repository = ? AND name = ?", (repository, name))
    if rows and rows[0][0] == digest:
        sql.execute("UPDATE tags SET updated = ? WHERE repository = ? AND name = ?", (now, repository, name))
        return False
    if rows:
        fixed.check(name)
        _count(sql, repository, rows[0][0], -1)
    sql.execute(
        "INSERT INTO tags (repository, name, digest, created, updated) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, updated = excluded.updated",
        (repository, name, digest, now, now),
    )
    _count(sql, repository, digest, 1)
    return True


def find(sql: Transaction, repository: str, name: str) -> tuple[str, int] | None:
    """What it names, and since when."""
    rows = sql.execute("SELECT digest, updated FROM tags WHERE repository = ? AND name = ?", (repository, name))
    return (rows[0][0], rows[0][1]) if rows else None


def remove(sql: Transaction, repository: str, name: str) -> Digest | None:
    """Take the tag away; what it named."""
    rows = sql.execute("DELETE FROM tags WHERE repository = ? AND name = ? RETURNING digest", (repository, name))
    if not rows:
        return None
    _count(sql, repository, rows[0][0], -1)
    return Digest(rows[0][0])


def _count(sql: Transaction, repository: str, digest: str, change: int) -> None:
    sql.execute(
        "UPDATE manifests SET tags = tags + ? WHERE repository = ? AND digest = ?", (change, repository, digest)
    )


def of_manifest(sql: Transaction, repository: str, digest: Digest) -> list[str]:
    rows = sql.execute("SELECT name FROM tags WHERE repository = ? AND digest = ? ORDER BY name", (repository, digest))
    return [name for (name,) in rows]


def listing(sql: Transaction, repository: str, after: str, limit: int) -> list[Tag]:
    if not sql.execute("SELECT 1 FROM repositories WHERE name = ?", (repository,)):
        raise Refusal(Code.NAME_UNKNOWN, "repository name not known to registry", {"name": repository})
    rows = sql.execute(
        f"SELECT {_COLUMNS} FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT ?",
        (repository, after, limit or 1 << 60),
    )
    return [Tag(*row) for row in rows]
