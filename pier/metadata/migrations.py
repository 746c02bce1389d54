"""The schema, as a list that only grows: entry N takes a database from schema N to N+1."""

from typing import Final

MIGRATIONS: Final[list[list[str]]] = [
    [
        # An intent: work that was begun and must be finished or undone after a crash.
        """CREATE TABLE journal (
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, detail TEXT NOT NULL)""",
        # record: the noun's own struct as JSON; the columns beside it are what queries need.
        "CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL)",
        "CREATE TABLE images (id TEXT PRIMARY KEY, record TEXT NOT NULL)",
        """CREATE TABLE image_references (
            reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE)""",
        "CREATE INDEX image_references_by_image ON image_references(image_id)",
        # Where a layer's compressed form is kept or known: diff ID -> blob.
        """CREATE TABLE layer_blobs (
            diff_id TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL,
            PRIMARY KEY (diff_id, digest))""",
        "CREATE TABLE volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL)",
        "CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL)",
        # One row a container's place on a network: the leased address, the ports, the interface.
        """CREATE TABLE endpoints (
            id TEXT PRIMARY KEY, network_id TEXT NOT NULL, container_id TEXT NOT NULL, record TEXT NOT NULL)""",
        "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ],
    [
        # What a step of a build made, by the step's key; ``used`` (ns since 1970) and ``uses`` change often.
        """CREATE TABLE build_cache (
            key TEXT PRIMARY KEY, record TEXT NOT NULL, used INTEGER NOT NULL, uses INTEGER NOT NULL)""",
        # Digests of parts of trees that never change: a layer's with all below it, a commit's.
        """CREATE TABLE build_contents (
            root TEXT NOT NULL, selector TEXT NOT NULL, digest TEXT NOT NULL, added INTEGER NOT NULL,
            PRIMARY KEY (root, selector))""",
    ],
]
