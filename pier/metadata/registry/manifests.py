"""Manifests: what they refer to, who needs them, and what goes when they go."""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from pier.metadata.registry import links, tags
from pier.metadata.registry.transaction import Transaction, marks
from pier.oci.digest import Digest
from pier.registry.model import Manifest, Reference, Referrer, Tag
from pier.registry.names import project
from pier.registry.refusals import Code, Refusal, no_room

_FACTS: Final = "digest, media_type, artifact_type, annotations, subject, config, size, pushed, pulled"
_IN_ONE_QUESTION: Final = 500
_LAST: Final = "\U0010ffff"
"""Sorts behind whatever a name may go on with."""

_LIVE_LINKS: Final = (
    "(SELECT l.repository, l.digest FROM links l JOIN blobs b ON b.digest = l.digest WHERE b.claimed = 0) AS live"
)


def put(
    sql: Transaction, repository: str, manifest: Manifest, names: Iterable[str], now: int, holder: str = ""
) -> list[str]:
    fixed = tags.Fixed(sql, repository)
    again = sql.execute(
        "UPDATE manifests SET pushed = ? WHERE repository = ? AND digest = ? RETURNING digest",
        (now, repository, manifest.digest),
    )
    references = list({(each.digest, each.kind): each for each in manifest.references}.values())
    _check_there(sql, repository, references)
    if not again:
        _insert(sql, repository, manifest, now)
    _refer(sql, repository, manifest.digest, references)
    links.release(sql, repository, _blobs(manifest.references), holder)
    moved = [name for name in names if tags.move(sql, repository, name, manifest.digest, now, fixed)]
    if fixed.quota and (taken := links.usage(sql, project(repository)).get(project(repository), 0)) > fixed.quota:
        raise no_room(project(repository), taken, fixed.quota)
    return moved


def _insert(sql: Transaction, repository: str, manifest: Manifest, now: int) -> None:
    sql.execute(
        f"INSERT INTO manifests (repository, data, {_FACTS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            repository,
            manifest.data,
            manifest.digest,
            manifest.media_type,
            manifest.artifact_type,
            msgspec.json.encode(manifest.annotations).decode(),
            manifest.subject,
            manifest.config,
            manifest.size,
            now,
            manifest.pulled,
        ),
    )
    sql.execute(
        "INSERT INTO repositories (name, manifests) VALUES (?, 1) "
        "ON CONFLICT (name) DO UPDATE SET manifests = repositories.manifests + 1",
        (repository,),
    )


def _check_there(sql: Transaction, repository: str, references: list[Reference]) -> None:
    lacking = _lacking(sql, repository, references)
    if lacking:
        text = "manifest refers to blobs or manifests that the repository does not have"
        raise Refusal(Code.MANIFEST_BLOB_UNKNOWN, text, [{"digest": digest} for digest in lacking])


def _refer(sql: Transaction, repository: str, manifest: Digest, references: list[Reference]) -> None:
    """Note what is not noted yet: a layer that may lie elsewhere can have come here since the manifest did."""
    noted = set(
        sql.execute("SELECT digest, kind FROM refs WHERE repository = ? AND manifest = ?", (repository, manifest))
    )
    fresh = [each for each in references if (each.digest, each.kind) not in noted]
    sql.executemany(
        "INSERT INTO refs (repository, manifest, digest, kind, size) VALUES (?, ?, ?, ?, ?)",
        [(repository, manifest, each.digest, each.kind, each.size) for each in fresh],
    )
    links.need(sql, repository, _blobs(fresh))
    _count(sql, repository, fresh, 1)


def _blobs(references: Iterable[Reference]) -> list[Digest]:
    return [each.digest for each in references if each.kind == "blob"]


def _lacking(sql: Transaction, repository: str, references: list[Reference]) -> list[Digest]:
    """Blobs without a link, or whose bytes are lost; and manifests without a row."""
    found: set[tuple[str, str]] = set()
    for kind, table in (("blob", _LIVE_LINKS), ("manifest", "manifests")):
        wanted = [each.digest for each in references if each.kind == kind]
        for start in range(0, len(wanted), _IN_ONE_QUESTION):
            some = wanted[start : start + _IN_ONE_QUESTION]
            question = f"SELECT digest FROM {table} WHERE repository = ? AND digest IN ({marks(some)})"
            found.update((digest, kind) for (digest,) in sql.execute(question, (repository, *some)))
    return [each.digest for each in references if (each.digest, each.kind) not in found]


def _count(sql: Transaction, repository: str, references: Iterable[Reference], change: int) -> None:
    """Of manifests, how many indexes name them."""
    sql.executemany(
        "UPDATE manifests SET parents = parents + ? WHERE repository = ? AND digest = ?",
        [(change, repository, each.digest) for each in references if each.kind == "manifest"],
    )


def _there(sql: Transaction, repository: str, digest: Digest) -> bool:
    return bool(sql.execute("SELECT 1 FROM manifests WHERE repository = ? AND digest = ?", (repository, digest)))


def find(sql: Transaction, repository: str, reference: str) -> Manifest | None:
    if ":" in reference:
        rows = sql.execute(
            f"SELECT data, {_FACTS} FROM manifests WHERE repository = ? AND digest = ?", (repository, reference)
        )
    else:
        facts = ", ".join(f"m.{name}" for name in _FACTS.split(", "))
        rows = sql.execute(
            f"SELECT m.data, {facts} FROM tags t JOIN manifests m ON m.repository = t.repository "
            "AND m.digest = t.digest WHERE t.repository = ? AND t.name = ?",
            (repository, reference),
        )
    return _manifest(*rows[0]) if rows else None


def _manifest(
    data: bytes, digest: str, media_type: str, artifact_type: str, annotations: str, subject: str | None, *rest: Any
) -> Manifest:
    config, size, pushed, pulled = rest
    return Manifest(
        digest=Digest(digest),
        media_type=media_type,
        data=bytes(data),
        artifact_type=artifact_type,
        annotations=msgspec.json.decode(annotations, type=dict[str, str]),
        subject=Digest(subject) if subject else None,
        config=Digest(config) if config else None,
        size=size,
        pushed=pushed,
        pulled=pulled,
    )


def pulled(sql: Transaction, repository: str, references: Collection[str], now: int) -> None:
    names = [each for each in references if ":" not in each]
    digests = [each for each in references if ":" in each]
    sql.executemany(
        "UPDATE tags SET pulled = ? WHERE repository = ? AND name = ?", [(now, repository, name) for name in names]
    )
    sql.executemany(
        "UPDATE manifests SET pulled = ? WHERE repository = ? "
        "AND digest = (SELECT digest FROM tags WHERE repository = ? AND name = ?)",
        [(now, repository, repository, name) for name in names],
    )
    sql.executemany(
        "UPDATE manifests SET pulled = ? WHERE repository = ? AND digest = ?",
        [(now, repository, digest) for digest in digests],
    )


def delete(sql: Transaction, repository: str, digest: Digest, keep: int) -> list[str]:
    rows = sql.execute("SELECT parents FROM manifests WHERE repository = ? AND digest = ?", (repository, digest))
    if not rows:
        raise Refusal(Code.MANIFEST_UNKNOWN, "manifest unknown", {"digest": digest})
    if rows[0][0]:
        raise Refusal(Code.DENIED, f"manifest {digest} is part of an index", {"digest": digest})
    names = tags.of_manifest(sql, repository, digest)
    fixed = tags.Fixed(sql, repository)
    for name in names:
        fixed.check(name)
        tags.remove(sql, repository, name)
    _drop(sql, repository, digest, keep)
    return names


def delete_tag(sql: Transaction, repository: str, name: str, keep: int, only: Tag | None = None) -> Digest:
    if only is not None and tags.find(sql, repository, name) != (only.digest, only.updated):
        raise Refusal(Code.MANIFEST_UNKNOWN, "manifest unknown", {"tag": name})
    digest = tags.remove(sql, repository, name)
    if digest is None:
        raise Refusal(Code.MANIFEST_UNKNOWN, "manifest unknown", {"tag": name})
    tags.Fixed(sql, repository).check(name)
    if not _needed(sql, repository, digest):
        _drop(sql, repository, digest, keep)
    return digest


_UNTAGGED: Final = (
    "m.repository = ? AND m.pushed < ? AND m.tags = 0 AND m.parents = 0 AND NOT EXISTS "
    "(SELECT 1 FROM manifests s WHERE s.repository = m.repository AND s.digest = m.subject)"
)


def untagged(sql: Transaction, repository: str, pushed_before: int) -> list[Manifest]:
    facts = ", ".join(f"m.{name}" for name in _FACTS.split(", "))
    rows = sql.execute(
        f"SELECT {facts} FROM manifests m WHERE {_UNTAGGED} ORDER BY m.pushed, m.digest", (repository, pushed_before)
    )
    return [_manifest(b"", *row) for row in rows]


def delete_untagged(sql: Transaction, repository: str, digest: Digest, pushed_before: int, keep: int) -> bool:
    still = sql.execute(
        f"SELECT 1 FROM manifests m WHERE {_UNTAGGED} AND m.digest = ?", (repository, pushed_before, digest)
    )
    if still:
        _drop(sql, repository, digest, keep)
    return bool(still)


def _needed(sql: Transaction, repository: str, digest: Digest) -> bool:
    """Whether a tag, an index or the image that it is about wants the manifest kept."""
    rows = sql.execute(
        "SELECT tags, parents, subject FROM manifests WHERE repository = ? AND digest = ?", (repository, digest)
    )
    if not rows:
        return True  # gone already: nothing to do
    named, parents, subject = rows[0]
    return bool(named or parents or (subject and _there(sql, repository, subject)))


def _drop(sql: Transaction, repository: str, digest: Digest, keep: int) -> None:
    """Remove a manifest, and what was there for its sake alone: an index's images, and what is about them."""
    doomed = {digest: None}
    while doomed:
        digest, _ = doomed.popitem()
        rows = sql.execute(
            "DELETE FROM refs WHERE repository = ? AND manifest = ? RETURNING digest, kind, size", (repository, digest)
        )
        references = [Reference(Digest(each), kind, size) for each, kind, size in rows]
        links.unneed(sql, repository, _blobs(references), keep)
        _count(sql, repository, references, -1)
        sql.execute("DELETE FROM manifests WHERE repository = ? AND digest = ?", (repository, digest))
        sql.execute("UPDATE repositories SET manifests = manifests - 1 WHERE name = ?", (repository,))
        about = sql.execute("SELECT digest FROM manifests WHERE repository = ? AND subject = ?", (repository, digest))
        inside = [each.digest for each in references if each.kind == "manifest"]
        near = [*inside, *(Digest(each) for (each,) in about)]
        doomed |= {each: None for each in near if not _needed(sql, repository, each)}
    sql.execute("DELETE FROM repositories WHERE name = ? AND manifests <= 0", (repository,))


def referrers(
    sql: Transaction, repository: str, subject: Digest, artifact_type: str, after: str, limit: int
) -> list[Referrer]:
    kind, kinds = (" AND artifact_type = ?", (artifact_type,)) if artifact_type else ("", ())
    rows = sql.execute(
        "SELECT digest, media_type, length(data), artifact_type, annotations FROM manifests "
        f"WHERE repository = ? AND subject = ? AND digest > ?{kind} ORDER BY digest LIMIT ?",
        (repository, subject, after, *kinds, limit or 1 << 60),
    )
    return [
        Referrer(
            digest=Digest(digest),
            media_type=media_type,
            length=length,
            artifact_type=named,
            annotations=msgspec.json.decode(annotations, type=dict[str, str]),
        )
        for digest, media_type, length, named, annotations in rows
    ]


def listing(sql: Transaction, repository: str) -> list[Manifest]:
    rows = sql.execute(f"SELECT {_FACTS} FROM manifests WHERE repository = ? ORDER BY pushed, digest", (repository,))
    return [_manifest(b"", *row) for row in rows]


def repositories(sql: Transaction, after: str, limit: int, prefix: str) -> list[str]:
    rows = sql.execute(
        "SELECT name FROM repositories WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?",
        (after, prefix, prefix + _LAST, limit or 1 << 60),
    )
    return [name for (name,) in rows]
