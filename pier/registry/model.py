"""What the registry keeps (values). Times are whole seconds since 1970; sizes are bytes."""

from typing import Literal

import msgspec

from pier.oci.digest import Digest

Role = Literal["reader", "writer", "admin"]
"""``reader`` pulls, ``writer`` also pushes, ``admin`` also deletes and changes the project's rules."""


class Blob(msgspec.Struct, frozen=True):
    """Bytes that are there. ``location`` is the storage's name for them: never that of another upload."""

    digest: Digest
    size: int
    location: str
    created: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A blob that is being brought. ``state`` is the storage's own (parts of a multipart upload)."""

    id: str
    repository: str
    location: str
    offset: int = 0
    state: bytes = b""
    started: int
    touched: int


class Reference(msgspec.Struct, frozen=True):
    """What a manifest needs: a blob (its config, a layer) or, of an index, mostly another manifest."""

    digest: Digest
    kind: Literal["blob", "manifest"]
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as it was pushed. ``size`` counts all that it refers to, blobs once, and itself."""

    digest: Digest
    media_type: str
    data: bytes
    artifact_type: str = ""
    annotations: dict[str, str] = {}
    subject: Digest | None = None
    config: Digest | None = None
    size: int = 0
    pushed: int = 0
    pulled: int = 0
    references: tuple[Reference, ...] = ()


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that says that it belongs to another, as lists of those have it. ``length``: bytes of its own."""

    digest: Digest
    media_type: str
    length: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that was pulled through from another registry. ``checked``: when it was last what the tag names."""

    digest: Digest
    media_type: str
    data: bytes
    checked: int = 0


class KeptRepository(msgspec.Struct, frozen=True):
    """What was pulled through of one repository and is here. ``used``: when something of it was pulled last."""

    name: str
    bytes: int
    used: int
    tags: list[str]


class Tag(msgspec.Struct, frozen=True):
    repository: str
    name: str
    digest: Digest
    created: int
    updated: int
    pulled: int = 0


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which tags may go: those that match ``pattern`` (a glob), beyond the newest ``keep``, older than ``days``.

    It says ``keep``, ``days`` or both; any rule of several may let a tag go. ``untagged``: it is about manifests
    without a tag instead, that no index and no subject needs; they go ``days`` after their push. ``repositories`` is a
    glob of names, with the project's.
    """

    pattern: str = "*"
    keep: int = 0
    days: int = 0
    untagged: bool = False
    repositories: str = "*"


class Project(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rules of all repositories under one first name. ``quota``: bytes, 0 for none.

    ``immutable``: globs of tags that cannot be moved or deleted. ``public``: whoever asks may pull.
    """

    name: str
    public: bool = False
    quota: int = 0
    immutable: tuple[str, ...] = ()
    retention: tuple[Rule, ...] = ()
    created: int = 0


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person, or a robot (``robot$name``). ``secret`` is a bcrypt hash; ``projects`` gives roles by name or glob."""

    name: str
    secret: str
    admin: bool = False
    projects: dict[str, Role] = {}
    expires: int = 0
    created: int = 0
    disabled: bool = False


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Work that outlives a request: a webhook's delivery, a replication, a build. ``detail`` is JSON of its kind.

    ``kind`` may have a name behind a slash (``webhook/ci``): a queue of its own.
    """

    id: str
    kind: str
    detail: bytes
    due: int
    attempts: int = 0
    last_error: str = ""
    created: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a job goes, or went: what people look at when the job itself is gone.

    ``name`` is the rule's (a replication, a build), ``subject`` what it was about (an image, a commit), ``note`` the
    outcome or the error in a line; ``log`` is all that was said meanwhile, as far as it was kept.
    """

    id: str
    kind: str
    name: str
    subject: str = ""
    state: Literal["queued", "running", "done", "failed"] = "queued"
    created: int = 0
    started: int = 0
    ended: int = 0
    note: str = ""
    log: str = ""
