"""What a check of the whole asks: all blobs, who needs one that is lost, and whether the counts are right."""

from typing import Final

from pier.metadata.registry.transaction import Transaction
from pier.oci.digest import Digest
from pier.registry.model import Blob

_TIMES: Final = (
    "(SELECT repository, digest, count(*) AS times FROM refs WHERE kind = '{kind}' GROUP BY repository, digest) AS r"
)
"""How often each is referred to, counted once: nothing but a push would gain from an index for it, and pay for it."""

_COUNTS: Final = (
    (
        "repositories of the blob",
        "SELECT b.links, count(l.digest), b.digest FROM blobs b LEFT JOIN links l ON l.digest = b.digest "
        "GROUP BY b.digest, b.links HAVING b.links <> count(l.digest)",
        "UPDATE blobs SET links = ? WHERE digest = ?",
    ),
    (
        "manifests that refer to the blob",
        "SELECT l.refs, coalesce(r.times, 0), l.repository, l.digest FROM links l "
        f"LEFT JOIN {_TIMES.format(kind='blob')} ON r.repository = l.repository AND r.digest = l.digest "
        "WHERE l.refs <> coalesce(r.times, 0)",
        "UPDATE links SET refs = ? WHERE repository = ? AND digest = ?",
    ),
    (
        "tags of the manifest",
        "SELECT m.tags, count(t.name), m.repository, m.digest FROM manifests m LEFT JOIN tags t "
        "ON t.repository = m.repository AND t.digest = m.digest "
        "GROUP BY m.repository, m.digest, m.tags HAVING m.tags <> count(t.name)",
        "UPDATE manifests SET tags = ? WHERE repository = ? AND digest = ?",
    ),
    (
        "indexes of the manifest",
        "SELECT m.parents, coalesce(r.times, 0), m.repository, m.digest FROM manifests m "
        f"LEFT JOIN {_TIMES.format(kind='manifest')} ON r.repository = m.repository AND r.digest = m.digest "
        "WHERE m.parents <> coalesce(r.times, 0)",
        "UPDATE manifests SET parents = ? WHERE repository = ? AND digest = ?",
    ),
    (
        "manifests of the repository",
        "SELECT r.manifests, count(m.digest), r.name FROM repositories r LEFT JOIN manifests m "
        "ON m.repository = r.name GROUP BY r.name, r.manifests HAVING r.manifests <> count(m.digest)",
        "UPDATE repositories SET manifests = ? WHERE name = ?",
    ),
    (
        "bytes of the project",
        "SELECT u.bytes, CAST(coalesce(sum(b.size), 0) AS BIGINT), u.project FROM usage u LEFT JOIN holdings h "
        "ON h.project = u.project LEFT JOIN blobs b ON b.digest = h.digest "
        "GROUP BY u.project, u.bytes HAVING u.bytes <> coalesce(sum(b.size), 0)",
        "UPDATE usage SET bytes = ? WHERE project = ?",
    ),
)
_DANGLING: Final = (
    (
        "the manifest is not there that the tag names",
        "SELECT t.repository, t.name FROM tags t LEFT JOIN manifests m "
        "ON m.repository = t.repository AND m.digest = t.digest WHERE m.digest IS NULL",
    ),
    (
        "the repository does not have what its manifest refers to",
        "SELECT r.repository, r.manifest, r.digest FROM refs r LEFT JOIN links l "
        "ON l.repository = r.repository AND l.digest = r.digest WHERE r.kind = 'blob' AND l.digest IS NULL",
    ),
    (
        "the repository does not have an image of its index",
        "SELECT r.repository, r.manifest, r.digest FROM refs r LEFT JOIN manifests m "
        "ON m.repository = r.repository AND m.digest = r.digest WHERE r.kind = 'manifest' AND m.digest IS NULL",
    ),
    (
        "the repository has a blob that there is not",
        "SELECT l.repository, l.digest FROM links l LEFT JOIN blobs b ON b.digest = l.digest WHERE b.digest IS NULL",
    ),
)


def live_blobs(sql: Transaction, after: str, limit: int) -> list[Blob]:
    rows = sql.execute(
        "SELECT digest, size, location, created FROM blobs WHERE digest > ? AND claimed = 0 ORDER BY digest LIMIT ?",
        (after, limit),
    )
    return [Blob(*row) for row in rows]


def locations(sql: Transaction, first: str, last: str) -> set[str]:
    rows = sql.execute(
        "SELECT location FROM uploads WHERE location BETWEEN ? AND ? "
        "UNION ALL SELECT location FROM blobs WHERE location BETWEEN ? AND ?",
        (first, last, first, last),
    )
    return {location for (location,) in rows}


def needing(sql: Transaction, digest: Digest) -> list[str]:
    rows = sql.execute(
        "SELECT r.repository, r.manifest, t.name FROM links l JOIN refs r ON r.repository = l.repository "
        "AND r.digest = l.digest LEFT JOIN tags t ON t.repository = r.repository AND t.digest = r.manifest "
        "WHERE l.digest = ? AND r.kind = 'blob'",
        (digest,),
    )
    return sorted(f"{repository}:{tag}" if tag else f"{repository}@{manifest}" for repository, manifest, tag in rows)


def lose(sql: Transaction, blob: Blob, now: int) -> bool:
    lost = sql.execute(
        "UPDATE blobs SET claimed = ? WHERE digest = ? AND location = ? AND claimed = 0 RETURNING digest",
        (now, blob.digest, blob.location),
    )
    return bool(lost)


def wrong_counts(sql: Transaction, fix: bool) -> list[str]:
    found = []
    for name, question, mend in _COUNTS:
        for said, right, *key in sql.execute(question):
            found.append(f"{name} {'@'.join(key)}: {said}, should be {right}")
            if fix:
                sql.execute(mend, (right, *key))
    return found


def dangling(sql: Transaction) -> list[str]:
    return [f"{text}: {' '.join(row)}" for text, question in _DANGLING for row in sql.execute(question)]
