"""Image records and references, in the database."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from pier.errors import NotFound
from pier.images.image import Image
from pier.metadata.db import Database
from pier.oci.digest import PREFIX, Digest
from pier.oci.manifest import Descriptor
from pier.oci.reference import Reference, parse_reference

_DIGITS = "0123456789abcdef"


class SqliteImageStore:
    """Implements :class:`pier.images.store.ImageStore`. Decoded records are kept in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._images: dict[Digest, Image] = {}
        self._by_layer: dict[Digest, set[Digest]] = {}
        with database.transaction() as sql:
            for row in sql.execute("SELECT id FROM images").fetchall():
                self._reload(Digest(row["id"]))

    def get(self, image_id: Digest) -> Image | None:
        return self._images.get(image_id)

    def list(self) -> Sequence[Image]:
        return [*self._images.values()]

    def search(self, prefix: str) -> Sequence[Digest]:
        if not prefix or prefix.strip(_DIGITS):
            return []
        with self._database.transaction() as sql:
            rows = sql.execute(
                "SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2", (PREFIX + prefix, PREFIX + prefix + "g")
            )
            return [Digest(row["id"]) for row in rows]

    def put(self, image: Image) -> None:
        with self._changing(image.id) as sql:
            self._record(sql, image)

    def _record(self, sql: sqlite3.Connection, image: Image) -> None:
        record = msgspec.json.encode(msgspec.structs.replace(image, repo_tags=(), repo_digests=())).decode()
        sql.execute(
            "INSERT INTO images (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
            (image.id, record),
        )

    def remove(self, image_id: Digest) -> None:
        with self._changing(image_id) as sql:
            sql.execute("DELETE FROM image_references WHERE image_id = ?", (image_id,))
            sql.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def tag(self, reference: Reference, image_id: Digest) -> Digest | None:
        return self.tag_all([reference], image_id)[0]

    def tag_all(self, references: Sequence[Reference], image_id: Digest) -> Sequence[Digest | None]:
        with self._lock:
            image = self._images.get(image_id)
            if image is None:
                raise NotFound(f"No such image: {image_id}")
            previous = [self.resolve(reference) for reference in references]
            with self._changing(image_id, *{each for each in previous if each} - {image_id}) as sql:
                sql.executemany(
                    "INSERT INTO image_references (reference, image_id) VALUES (?, ?)"
                    " ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id",
                    [(reference.canonical, image_id) for reference in references],
                )
                self._record(sql, msgspec.structs.replace(image, tagged_ns=time.time_ns()))
            return previous

    def untag(self, reference: Reference) -> Digest | None:
        with self._lock:
            previous = self.resolve(reference)
            if previous is not None:
                with self._changing(previous) as sql:
                    sql.execute("DELETE FROM image_references WHERE reference = ?", (reference.canonical,))
            return previous

    def untag_all(self, image_id: Digest) -> None:
        with self._changing(image_id) as sql:
            sql.execute("DELETE FROM image_references WHERE image_id = ?", (image_id,))

    def resolve(self, reference: Reference) -> Digest | None:
        with self._database.transaction() as sql:
            row = sql.execute(
                "SELECT image_id FROM image_references WHERE reference = ?", (reference.canonical,)
            ).fetchone()
        return Digest(row["image_id"]) if row else None

    def references(self, image_id: Digest) -> Sequence[Reference]:
        with self._database.transaction() as sql:
            rows = sql.execute(
                "SELECT reference FROM image_references WHERE image_id = ? ORDER BY reference", (image_id,)
            )
            return [parse_reference(row["reference"]) for row in rows]

    def children(self, image_id: Digest) -> Sequence[Digest]:
        return [image.id for image in self.list() if image.parent == image_id]

    def images_with_layer(self, chain_id: Digest) -> Sequence[Digest]:
        return [*self._by_layer.get(chain_id, ())]

    def blob_of(self, diff_id: Digest) -> Sequence[Descriptor]:
        with self._database.transaction() as sql:
            rows = sql.execute("SELECT * FROM layer_blobs WHERE diff_id = ? ORDER BY rowid", (diff_id,))
            return [Descriptor(row["media_type"], Digest(row["digest"]), row["size"]) for row in rows]

    def blobs(self) -> Mapping[Digest, Digest]:
        with self._database.transaction() as sql:
            rows = sql.execute("SELECT digest, diff_id FROM layer_blobs")
            return {Digest(row["digest"]): Digest(row["diff_id"]) for row in rows}

    def add_blob(self, diff_id: Digest, descriptor: Descriptor) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO layer_blobs (diff_id, digest, size, media_type) VALUES (?, ?, ?, ?)",
                (diff_id, descriptor.digest, descriptor.size, descriptor.media_type),
            )

    def remove_blob(self, diff_id: Digest, digest: Digest) -> None:
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM layer_blobs WHERE diff_id = ? AND digest = ?", (diff_id, digest))

    @contextmanager
    def _changing(self, *image_ids: Digest) -> Iterator[sqlite3.Connection]:
        """A transaction, after which (done or undone) the copies in memory are made anew."""
        with self._lock:
            try:
                with self._database.transaction() as sql:
                    yield sql
            finally:
                for image_id in image_ids:
                    self._reload(image_id)

    def _reload(self, image_id: Digest) -> None:
        """Bring the copy in memory in line with the database."""
        old = self._images.pop(image_id, None)
        for chain_id in old.chain_ids if old else ():
            self._by_layer[chain_id].discard(image_id)
            if not self._by_layer[chain_id]:
                del self._by_layer[chain_id]
        with self._database.transaction() as sql:
            row = sql.execute("SELECT record FROM images WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            return
        references = self.references(image_id)
        image = msgspec.structs.replace(
            msgspec.json.decode(row["record"], type=Image),
            repo_tags=tuple(reference.canonical for reference in references if reference.tag),
            repo_digests=tuple(reference.canonical for reference in references if reference.digest),
        )
        self._images[image_id] = image
        for chain_id in image.chain_ids:
            self._by_layer.setdefault(chain_id, set()).add(image_id)
