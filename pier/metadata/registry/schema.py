"""The registry's schema, as a list that only grows: entry N takes a database from schema N to N+1.

Written for SQLite; :func:`for_postgres` has PostgreSQL's names of the types. Names sort by their bytes in both.
"""

from typing import Final

MIGRATIONS: Final[list[list[str]]] = [
    [
        """CREATE TABLE uploads (
            id TEXT PRIMARY KEY, repository TEXT NOT NULL, location TEXT NOT NULL, reached INTEGER NOT NULL,
            state BLOB NOT NULL, started INTEGER NOT NULL, touched INTEGER NOT NULL)""",
        "CREATE INDEX uploads_by_touch ON uploads(touched)",
        # links: how many repositories have it. claimed: since when it is being deleted, 0 for a live one.
        """CREATE TABLE blobs (
            digest TEXT PRIMARY KEY, size INTEGER NOT NULL, location TEXT NOT NULL, created INTEGER NOT NULL,
            links INTEGER NOT NULL DEFAULT 0, claimed INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX blobs_that_none_has ON blobs(claimed) WHERE links = 0",
        # refs: how many manifests of the repository refer to the blob. lease: until when it stays without any.
        """CREATE TABLE links (
            repository TEXT NOT NULL, digest TEXT NOT NULL, refs INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL,
            PRIMARY KEY (repository, digest))""",
        "CREATE INDEX links_by_blob ON links(digest, repository)",
        "CREATE INDEX links_that_end ON links(lease) WHERE refs = 0",
        # In how many repositories of a project a blob is: it counts once towards the project's bytes.
        """CREATE TABLE holdings (
            project TEXT NOT NULL, digest TEXT NOT NULL, links INTEGER NOT NULL, PRIMARY KEY (project, digest))""",
        "CREATE TABLE usage (project TEXT PRIMARY KEY, bytes INTEGER NOT NULL)",
        "CREATE TABLE repositories (name TEXT PRIMARY KEY, manifests INTEGER NOT NULL)",
        # tags, parents: how many tags and indexes name it.
        """CREATE TABLE manifests (
            repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, data BLOB NOT NULL,
            artifact_type TEXT NOT NULL, annotations TEXT NOT NULL, subject TEXT, config TEXT, size INTEGER NOT NULL,
            pushed INTEGER NOT NULL, pulled INTEGER NOT NULL DEFAULT 0, tags INTEGER NOT NULL DEFAULT 0,
            parents INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (repository, digest))""",
        "CREATE INDEX manifests_by_subject ON manifests(repository, subject) WHERE subject IS NOT NULL",
        """CREATE TABLE refs (
            repository TEXT NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL,
            size INTEGER NOT NULL, PRIMARY KEY (repository, manifest, digest, kind))""",
        """CREATE TABLE tags (
            repository TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, created INTEGER NOT NULL,
            updated INTEGER NOT NULL, pulled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (repository, name))""",
        "CREATE INDEX tags_by_manifest ON tags(repository, digest)",
        "CREATE TABLE projects (name TEXT PRIMARY KEY, record TEXT NOT NULL)",
        "CREATE TABLE users (name TEXT PRIMARY KEY, record TEXT NOT NULL)",
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, detail BLOB NOT NULL, due INTEGER NOT NULL,
            attempts INTEGER NOT NULL, last_error TEXT NOT NULL, created INTEGER NOT NULL)""",
        "CREATE INDEX jobs_by_time ON jobs(kind, due)",
        "CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends INTEGER NOT NULL)",
    ],
    # holders: for whom the lease is, as ",mark" of each; ",*" for nobody in particular.
    ["ALTER TABLE links ADD COLUMN holders TEXT NOT NULL DEFAULT ',*'"],
    [
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL,
            created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL, note TEXT NOT NULL,
            log TEXT NOT NULL)""",
        "CREATE INDEX runs_by_name ON runs(kind, name, created)",
    ],
    # What was pulled through from other registries, and when it was used: a manifest (data), or a blob (none).
    [
        """CREATE TABLE cached (
            repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, data BLOB, size INTEGER NOT NULL,
            used INTEGER NOT NULL, PRIMARY KEY (repository, digest))""",
        "CREATE INDEX cached_by_use ON cached(used)",
        """CREATE TABLE cached_tags (
            repository TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, checked INTEGER NOT NULL,
            PRIMARY KEY (repository, name))""",
        "CREATE INDEX cached_tags_by_manifest ON cached_tags(repository, digest)",
    ],
]


def for_postgres(statement: str) -> str:
    return statement.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA").replace("TEXT", 'TEXT COLLATE "C"')
