"""What the registry knows (contract): kept by :mod:`pier.metadata.registry` in SQLite or PostgreSQL.

Each call is one transaction, serialised against all others of all instances: what a call promises holds when several
instances and the housekeeping call at once. They raise Unavailable where the database does not answer, NoSpace where
its disk is full. A *live* blob has a row that is not claimed for deletion.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from pier.oci.digest import Digest
from pier.registry.model import Blob, Cached, Job, KeptRepository, Manifest, Project, Referrer, Run, Tag, Upload, User

CONDEMNED: Final = -1
"""The offset of an upload whose bytes go: nobody writes to it or makes a blob of it."""

FINISHING: Final = -2
"""The offset of an upload that somebody makes a blob of: nobody else writes to it, or does the same."""

Plan = Callable[[Digest, list[str]], Iterable[Job]]
"""From a manifest and its tags to the jobs of what happens to them: noted in the same transaction."""


def nothing(digest: Digest, tags: list[str]) -> Iterable[Job]:
    """The plan where nothing is to do."""
    return ()


class Uploads(Protocol):
    async def begin_upload(self, upload: Upload) -> None: ...

    async def upload(self, repository: str, id: str) -> Upload | None: ...

    async def advance_upload(self, id: str, before: int, offset: int, state: bytes, now: int) -> bool:
        """Note that it reaches to ``offset`` now; False where it is not at ``before`` any more (two writers).

        An ``offset`` of :data:`CONDEMNED` takes it from all writers: its bytes are about to be deleted, then its row.
        """

    async def end_upload(self, id: str) -> None: ...

    async def stale_uploads(self, touched_before: int, limit: int) -> list[Upload]:
        """Those that nobody touched since then, condemned ones included."""


class Blobs(Protocol):
    async def add_blob(self, repository: str, upload_id: str, blob: Blob, lease: int, holder: str = "") -> Blob:
        """End the upload, link the blob to the repository and lease it there until ``lease`` (epoch).

        The lease is for ``holder``: see :meth:`Manifests.put_manifest`.

        Returns the blob as it is known: another one where those bytes were there already. The upload is condemned
        then, not ended: ``blob.location`` is the caller's to delete, before it ends the upload. A blob's row that is
        claimed for deletion is replaced, not revived. Raises Refusal BLOB_UPLOAD_UNKNOWN where the upload is not there
        any more, or condemned (one that is FINISHING is there): nobody keeps the bytes at its location. DENIED where
        the project would take more than its quota.
        """

    async def blob(self, repository: str, digest: Digest, lease: int = 0, holder: str = "") -> Blob | None:
        """The live blob, if the repository has it. ``lease``: keep it at least until then (a pusher asks)."""

    async def mount_blob(
        self, repository: str, source: str, digest: Digest, lease: int, holder: str = ""
    ) -> Blob | None:
        """Link the live blob of ``source`` to ``repository``, leased; None where ``source`` has none."""

    async def homes(self, digest: Digest, limit: int) -> list[str]:
        """Some repositories that have the live blob, in order of their names: where a mount may come from."""

    async def unlink_blob(self, repository: str, digest: Digest) -> bool:
        """Take it from the repository; Conflict while a manifest there refers to it. Whether it was there."""

    async def end_leases(self, now: int, limit: int) -> int:
        """Unlink blobs that no manifest refers to and no lease holds from their repositories; how many."""

    async def claim_garbage(self, now: int, limit: int) -> list[Blob]:
        """Live blobs that no manifest refers to and no lease holds: claimed for deletion, with their links.

        Includes those that were claimed before and not forgotten (an instance that died), 60 s after the claim.
        """

    async def forget_blobs(self, blobs: Iterable[Blob]) -> None:
        """Their bytes are gone: drop those rows whose location is still that."""


class Checks(Protocol):
    """For a check of the whole."""

    async def live_blobs(self, after: str, limit: int) -> list[Blob]:
        """In order of their digests, beyond ``after``."""

    async def locations(self, first: str, last: str) -> set[str]:
        """Those of uploads and blobs, claimed ones included, between two in the order of their bytes, and with them."""

    async def needing(self, digest: Digest) -> list[str]:
        """The manifests that refer to a blob, as ``repository:tag`` or ``repository@digest``."""

    async def lose_blob(self, blob: Blob, now: int) -> bool:
        """Its bytes are lost: it is no live blob any more, until somebody brings it again; False where it has gone."""

    async def wrong_counts(self, fix: bool) -> list[str]:
        """Counts that are not what they count, in words. ``fix``: they are then."""

    async def dangling(self) -> list[str]:
        """Tags, references and links to what is not there, in words."""


class Manifests(Protocol):
    async def put_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Iterable[str],
        now: int,
        holder: str = "",
        plan: Plan = nothing,
    ) -> list[str]:
        """Store it with its references and move ``tags`` to it, all or nothing; the tags that moved or are new.

        Leases of its blobs that ``holder`` alone has end: they were for this. Those of others, or of nobody in
        particular (""), go on. Once more the same is a push like the first: it is as new as that.

        Raises Refusal: MANIFEST_BLOB_UNKNOWN with the digests that the repository lacks (blobs must be live and linked,
        manifests be there), DENIED where an immutable tag would move, or the project's quota be exceeded.
        """

    async def release(self, repository: str, digests: Iterable[Digest], holder: str) -> None:
        """End the leases that ``holder`` alone has: nothing will come of that push."""

    async def give_up(self, repository: str, holder: str) -> None:
        """The same of all that no manifest refers to: it will not come to one."""

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        """By tag or digest, without its references."""

    async def pulled(self, repository: str, counts: dict[str, int], now: int) -> None:
        """Note pulls, gathered for a while: references with how often."""

    async def delete_manifest(self, repository: str, digest: Digest, keep: int = 0, plan: Plan = nothing) -> list[str]:
        """Its blobs stay until ``keep`` at least. With its tags, which are returned.

        Raises Refusal: MANIFEST_UNKNOWN; DENIED for an immutable tag, or while an index refers to it.
        """

    async def delete_tag(
        self, repository: str, name: str, keep: int = 0, only: Tag | None = None, plan: Plan = nothing
    ) -> Digest:
        """Also its manifest, where that has no other tag and no index or subject needs it.

        ``only``: as it was then, not pushed since. Raises Refusal: MANIFEST_UNKNOWN, DENIED for an immutable tag.
        """

    async def untagged(self, repository: str, pushed_before: int) -> list[Manifest]:
        """Those without a tag that no index and no subject needs, without their data."""

    async def delete_untagged(
        self, repository: str, digest: Digest, pushed_before: int, keep: int = 0, plan: Plan = nothing
    ) -> bool:
        """Delete one of :meth:`untagged`; False where it is none any more."""

    async def tags(self, repository: str, after: str = "", limit: int = 0) -> list[Tag]:
        """In order of their names; Refusal NAME_UNKNOWN for a repository that there is not."""

    async def referrers(
        self, repository: str, subject: Digest, artifact_type: str = "", after: str = "", limit: int = 0
    ) -> list[Referrer]:
        """In order of their digests, beyond ``after``; of all types without one, all of them without ``limit``."""

    async def repositories(self, after: str = "", limit: int = 0, prefix: str = "") -> list[str]: ...

    async def manifests(self, repository: str) -> list[Manifest]:
        """All of them without their data: what retention and the catalogue look at."""

    async def usage(self, project: str = "") -> dict[str, int]:
        """Bytes by project; a blob counts once in each project."""


class CachedImages(Protocol):
    """What was pulled through from other registries: known apart from what was pushed, and first to go."""

    async def put_cached(self, repository: str, manifest: Cached, tag: str, now: int) -> None:
        """Keep the manifest; ``tag``, where it is not empty, names it from now on."""

    async def cached(self, repository: str, reference: str) -> Cached | None:
        """By tag or digest."""

    async def check_cached(self, repository: str, tag: str, now: int) -> None:
        """The tag still names there what it names here."""

    async def drop_cached(self, repository: str, reference: str) -> bool:
        """Forget a tag, or a manifest with its tags; whether it was there."""

    async def has_cached(self, repository: str) -> bool:
        """Whether anything of the repository was pulled through and is here."""

    async def cached_tags(self, repository: str) -> list[str]: ...

    async def keep_cached(self, repository: str, digest: Digest, size: int, now: int) -> None:
        """Have a blob that the repository has stay until :meth:`evict_cached` lets it go."""

    async def use_cached(self, used: Mapping[tuple[str, Digest], int]) -> None:
        """Manifests and blobs that were pulled, by repository and digest, and when."""

    async def cached_sizes(self) -> dict[str, int]:
        """Bytes by the repositories' first names. What two repositories have counts in both."""

    async def kept_repositories(self, upstream: str, after: str, limit: int) -> list[KeptRepository]:
        """Those whose first name is ``upstream``, by name, at most ``limit`` after the name ``after``."""

    async def evict_cached(self, bytes: int, until: int) -> int:
        """Let go of what was not used for longest, some hundred at most, until ``bytes`` are; how many are.

        Blobs stay until ``until``, since somebody may be reading them; longer where pushed manifests need them.
        """


class Access(Protocol):
    async def project(self, name: str) -> Project | None: ...

    async def put_project(self, project: Project) -> None: ...

    async def exchange_project(self, before: Project | None, after: Project) -> bool:
        """Put it, if what is known by its name is still ``before`` (None: nothing); whether it was."""

    async def delete_project(self, name: str) -> None: ...

    async def projects(self) -> list[Project]: ...

    async def user(self, name: str) -> User | None: ...

    async def put_user(self, user: User) -> None: ...

    async def exchange_user(self, before: User | None, after: User) -> bool:
        """Put them, if who is known by the name is still ``before`` (None: nobody); whether it was."""

    async def delete_user(self, name: str) -> bool: ...

    async def users(self) -> list[User]: ...

    async def setting(self, key: str) -> bytes | None:
        """What all instances share (the key that signs tokens)."""

    async def put_setting(self, key: str, value: bytes, *, only_new: bool = False) -> bytes:
        """Return what holds now: with ``only_new``, what was there first."""


class Jobs(Protocol):
    async def add_job(self, job: Job) -> None: ...

    async def take_job(self, kinds: tuple[str, ...], now: int, until: int) -> Job | None:
        """One that is due, for this caller alone until ``until``: not ended by then, it is due again."""

    async def end_job(self, id: str) -> None: ...

    async def put_off_job(self, id: str, due: int, error: str) -> None: ...

    async def jobs(self, kinds: tuple[str, ...] = ()) -> list[Job]: ...

    async def put_run(self, run: Run, keep: int = 100) -> None:
        """Note how a job goes or went. Of one kind and name only the newest ``keep`` stay."""

    async def run(self, id: str) -> Run | None: ...

    async def runs(self, kind: str = "", name: str = "", limit: int = 100) -> list[Run]:
        """The newest first, without their logs."""


class Records(Uploads, Blobs, Checks, Manifests, CachedImages, Access, Jobs, Protocol):
    """All of it. One a process."""

    async def lock(self, name: str, holder: str, now: int, until: int) -> bool:
        """Be the only instance that does ``name`` (a collection, a schedule) until ``until``."""

    async def healthy(self) -> None:
        """Raises Unavailable or NoSpace."""

    async def stop(self) -> None: ...
