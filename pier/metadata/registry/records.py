"""The records: each call a transaction of the database."""

from collections.abc import Iterable, Mapping

from pier.metadata.registry import access, blobs, cached, checks, jobs, links, manifests, runs, tags, uploads
from pier.metadata.registry.transaction import Database, Transaction
from pier.oci.digest import Digest
from pier.registry.model import Blob, Cached, Job, KeptRepository, Manifest, Project, Referrer, Run, Tag, Upload, User
from pier.registry.names import project
from pier.registry.records import Plan, nothing


class SqlRecords:
    """Implements :class:`pier.registry.records.Records`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read = database.read
        self._write = database.write

    async def begin_upload(self, upload: Upload) -> None:
        await self._write(lambda sql: uploads.begin(sql, upload), grows=True)

    async def upload(self, repository: str, id: str) -> Upload | None:
        return await self._read(lambda sql: uploads.find(sql, repository, id))

    async def advance_upload(self, id: str, before: int, offset: int, state: bytes, now: int) -> bool:
        return await self._write(lambda sql: uploads.advance(sql, id, before, offset, state, now))

    async def end_upload(self, id: str) -> None:
        await self._write(lambda sql: uploads.end(sql, id))

    async def stale_uploads(self, touched_before: int, limit: int) -> list[Upload]:
        return await self._read(lambda sql: uploads.stale(sql, touched_before, limit))

    async def add_blob(self, repository: str, upload_id: str, blob: Blob, lease: int, holder: str = "") -> Blob:
        return await self._write(
            lambda sql: blobs.add(sql, repository, upload_id, blob, lease, holder), project(repository)
        )

    async def blob(self, repository: str, digest: Digest, lease: int = 0, holder: str = "") -> Blob | None:
        if lease:
            return await self._write(
                lambda sql: blobs.keep(sql, repository, digest, lease, holder), project(repository)
            )
        return await self._read(lambda sql: blobs.find(sql, repository, digest))

    async def mount_blob(
        self, repository: str, source: str, digest: Digest, lease: int, holder: str = ""
    ) -> Blob | None:
        return await self._write(
            lambda sql: blobs.mount(sql, repository, source, digest, lease, holder), project(repository)
        )

    async def homes(self, digest: Digest, limit: int) -> list[str]:
        return await self._read(lambda sql: blobs.homes(sql, digest, limit))

    async def unlink_blob(self, repository: str, digest: Digest) -> bool:
        return await self._write(lambda sql: blobs.unlink(sql, repository, digest), project(repository))

    async def end_leases(self, now: int, limit: int) -> int:
        return await self._write(lambda sql: blobs.end_leases(sql, now, limit))

    async def claim_garbage(self, now: int, limit: int) -> list[Blob]:
        return await self._write(lambda sql: blobs.claim_garbage(sql, now, limit))

    async def forget_blobs(self, gone: Iterable[Blob]) -> None:
        listed = list(gone)
        await self._write(lambda sql: blobs.forget(sql, listed))

    async def live_blobs(self, after: str, limit: int) -> list[Blob]:
        return await self._read(lambda sql: checks.live_blobs(sql, after, limit))

    async def locations(self, first: str, last: str) -> set[str]:
        return await self._read(lambda sql: checks.locations(sql, first, last))

    async def needing(self, digest: Digest) -> list[str]:
        return await self._read(lambda sql: checks.needing(sql, digest))

    async def lose_blob(self, blob: Blob, now: int) -> bool:
        return await self._write(lambda sql: checks.lose(sql, blob, now))

    async def wrong_counts(self, fix: bool) -> list[str]:
        if not fix:
            return await self._read(lambda sql: checks.wrong_counts(sql, False), slow=True)
        return await self._write(lambda sql: checks.wrong_counts(sql, True), slow=True)

    async def dangling(self) -> list[str]:
        return await self._read(checks.dangling, slow=True)

    async def put_manifest(
        self,
        repository: str,
        manifest: Manifest,
        names: Iterable[str],
        now: int,
        holder: str = "",
        plan: Plan = nothing,
    ) -> list[str]:
        wanted = list(names)

        def put(sql: Transaction) -> list[str]:
            moved = manifests.put(sql, repository, manifest, wanted, now, holder)
            jobs.add_all(sql, plan(manifest.digest, wanted))
            return moved

        return await self._write(put, project(repository), grows=True)

    async def release(self, repository: str, digests: Iterable[Digest], holder: str) -> None:
        wanted = list(digests)
        await self._write(lambda sql: links.release(sql, repository, wanted, holder), project(repository))

    async def give_up(self, repository: str, holder: str) -> None:
        await self._write(lambda sql: links.give_up(sql, repository, holder), project(repository))

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        return await self._read(lambda sql: manifests.find(sql, repository, reference))

    async def pulled(self, repository: str, counts: dict[str, int], now: int) -> None:
        await self._write(lambda sql: manifests.pulled(sql, repository, counts, now))

    async def delete_manifest(self, repository: str, digest: Digest, keep: int = 0, plan: Plan = nothing) -> list[str]:
        def delete(sql: Transaction) -> list[str]:
            tags = manifests.delete(sql, repository, digest, keep)
            jobs.add_all(sql, plan(digest, tags))
            return tags

        return await self._write(delete, project(repository))

    async def delete_tag(
        self, repository: str, name: str, keep: int = 0, only: Tag | None = None, plan: Plan = nothing
    ) -> Digest:
        def delete(sql: Transaction) -> Digest:
            digest = manifests.delete_tag(sql, repository, name, keep, only)
            jobs.add_all(sql, plan(digest, [name]))
            return digest

        return await self._write(delete, project(repository))

    async def untagged(self, repository: str, pushed_before: int) -> list[Manifest]:
        return await self._read(lambda sql: manifests.untagged(sql, repository, pushed_before))

    async def delete_untagged(
        self, repository: str, digest: Digest, pushed_before: int, keep: int = 0, plan: Plan = nothing
    ) -> bool:
        def delete(sql: Transaction) -> bool:
            gone = manifests.delete_untagged(sql, repository, digest, pushed_before, keep)
            jobs.add_all(sql, plan(digest, []) if gone else ())
            return gone

        return await self._write(delete, project(repository))

    async def tags(self, repository: str, after: str = "", limit: int = 0) -> list[Tag]:
        return await self._read(lambda sql: tags.listing(sql, repository, after, limit))

    async def referrers(
        self, repository: str, subject: Digest, artifact_type: str = "", after: str = "", limit: int = 0
    ) -> list[Referrer]:
        return await self._read(lambda sql: manifests.referrers(sql, repository, subject, artifact_type, after, limit))

    async def repositories(self, after: str = "", limit: int = 0, prefix: str = "") -> list[str]:
        return await self._read(lambda sql: manifests.repositories(sql, after, limit, prefix))

    async def manifests(self, repository: str) -> list[Manifest]:
        return await self._read(lambda sql: manifests.listing(sql, repository))

    async def usage(self, project: str = "") -> dict[str, int]:
        return await self._read(lambda sql: links.usage(sql, project))

    async def put_cached(self, repository: str, manifest: Cached, tag: str, now: int) -> None:
        await self._write(lambda sql: cached.put(sql, repository, manifest, tag, now))

    async def cached(self, repository: str, reference: str) -> Cached | None:
        return await self._read(lambda sql: cached.find(sql, repository, reference))

    async def check_cached(self, repository: str, tag: str, now: int) -> None:
        await self._write(lambda sql: cached.check(sql, repository, tag, now))

    async def drop_cached(self, repository: str, reference: str) -> bool:
        return await self._write(lambda sql: cached.drop(sql, repository, reference))

    async def has_cached(self, repository: str) -> bool:
        return await self._read(lambda sql: cached.known(sql, repository))

    async def cached_tags(self, repository: str) -> list[str]:
        return await self._read(lambda sql: cached.tags(sql, repository))

    async def keep_cached(self, repository: str, digest: Digest, size: int, now: int) -> None:
        await self._write(lambda sql: cached.keep(sql, repository, digest, size, now))

    async def use_cached(self, used: Mapping[tuple[str, Digest], int]) -> None:
        noted = dict(used)
        await self._write(lambda sql: cached.use(sql, noted))

    async def cached_sizes(self) -> dict[str, int]:
        return await self._read(cached.sizes)

    async def kept_repositories(self, upstream: str, after: str, limit: int) -> list[KeptRepository]:
        return await self._read(lambda sql: cached.kept(sql, upstream, after, limit))

    async def evict_cached(self, bytes: int, until: int) -> int:
        return await self._write(lambda sql: cached.evict(sql, bytes, until))

    async def project(self, name: str) -> Project | None:
        return await self._read(lambda sql: access.find_project(sql, name))

    async def put_project(self, project: Project) -> None:
        await self._write(lambda sql: access.put_project(sql, project))

    async def exchange_project(self, before: Project | None, after: Project) -> bool:
        return await self._write(lambda sql: access.exchange_project(sql, before, after))

    async def delete_project(self, name: str) -> None:
        await self._write(lambda sql: access.delete_project(sql, name))

    async def projects(self) -> list[Project]:
        return await self._read(access.projects)

    async def user(self, name: str) -> User | None:
        return await self._read(lambda sql: access.find_user(sql, name))

    async def put_user(self, user: User) -> None:
        await self._write(lambda sql: access.put_user(sql, user))

    async def exchange_user(self, before: User | None, after: User) -> bool:
        return await self._write(lambda sql: access.exchange_user(sql, before, after))

    async def delete_user(self, name: str) -> bool:
        return await self._write(lambda sql: access.delete_user(sql, name))

    async def users(self) -> list[User]:
        return await self._read(access.users)

    async def setting(self, key: str) -> bytes | None:
        return await self._read(lambda sql: access.setting(sql, key))

    async def put_setting(self, key: str, value: bytes, *, only_new: bool = False) -> bytes:
        return await self._write(lambda sql: access.put_setting(sql, key, value, only_new))

    async def add_job(self, job: Job) -> None:
        await self._write(lambda sql: jobs.add(sql, job))

    async def take_job(self, kinds: tuple[str, ...], now: int, until: int) -> Job | None:
        return await self._write(lambda sql: jobs.take(sql, kinds, now, until))

    async def end_job(self, id: str) -> None:
        await self._write(lambda sql: jobs.end(sql, id))

    async def put_off_job(self, id: str, due: int, error: str) -> None:
        await self._write(lambda sql: jobs.put_off(sql, id, due, error))

    async def jobs(self, kinds: tuple[str, ...] = ()) -> list[Job]:
        return await self._read(lambda sql: jobs.listing(sql, kinds))

    async def put_run(self, run: Run, keep: int = 100) -> None:
        await self._write(lambda sql: runs.put(sql, run, keep))

    async def run(self, id: str) -> Run | None:
        return await self._read(lambda sql: runs.find(sql, id))

    async def runs(self, kind: str = "", name: str = "", limit: int = 100) -> list[Run]:
        return await self._read(lambda sql: runs.listing(sql, kind, name, limit))

    async def lock(self, name: str, holder: str, now: int, until: int) -> bool:
        return await self._write(lambda sql: jobs.lock(sql, name, holder, now, until))

    async def healthy(self) -> None:
        await self._write(lambda sql: access.put_setting(sql, "health", b"", False))

    async def stop(self) -> None:
        await self._database.stop()
