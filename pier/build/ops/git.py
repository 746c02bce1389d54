"""ADD of a Git repository, and contexts that are one: a commit's files, fetched once and kept."""

import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.drop import trash
from pier.build.caching.inuse import in_use
from pier.build.context.files import Files
from pier.build.context.gitcall import Git, mark_of
from pier.build.context.gitcheckout import check_out
from pier.build.context.gitenv import Remote, environment, header_of, remote_of, secret_names
from pier.build.context.gitrefs import Named, is_commit
from pier.build.context.gitrepo import Broken, Repository, format_there, make, tidy
from pier.build.context.kept import CHECKOUTS, GIT, draft_in, keep, lock_of, new_record, used_again
from pier.build.deps import Build
from pier.build.graph import GitSource, Vertex
from pier.build.ops.op import Result
from pier.build.session import Folder
from pier.build.steps.log import StepLog
from pier.build.threads import in_thread
from pier.errors import DataCorrupted, Internal, InvalidArgument, NotFound
from pier.linux.files import path_in_root, used_bytes
from pier.linux.git import format_of
from pier.linux.trees import move_aside, remove_tree

_KIND: Final = "source.git.checkout"
_KNOWN_HOSTS: Final = "known_hosts"
_AGENT: Final = "default"
_ATTEMPTS: Final = 2


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    """Of the URL; what a step reads of it is in the step's own key."""
    return vertex.id


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result], *, silence: float | None = None) -> Files:
    """The files of the commit that the ref names now. A commit that is on disk is not asked for.

    Raises NotFound (no such ref, no such folder), InvalidArgument, Unauthorized, Unavailable, DeadlineExceeded,
    DataCorrupted (not the commit that ``checksum`` says), Unsupported (no git), NoSpace.
    """
    op = vertex.op
    assert isinstance(op, GitSource)
    work = _Work(build, vertex, op, remote_of(op.url), silence)
    async with lock_of(build.deps, f"{GIT} {work.remote.url}"):
        checkout = await work.checkout()
    path = await in_thread(_inside, build.deps.root / checkout.path, op.folder)
    return Files(Folder(path, ""), immutable=f"{GIT}:{checkout.key}:{op.folder}")


class _Work:
    def __init__(self, build: Build, vertex: Vertex, op: GitSource, remote: Remote, silence: float | None) -> None:
        self._build = build
        self._deps = build.deps
        self._op = op
        self._log = StepLog(build.progress, vertex.id)
        self._silence = silence
        self.remote = remote

    async def checkout(self) -> CacheRecord:
        """In use until the build ends."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._repository(asked=attempt > 0) as repository, draft_in(self._deps, GIT) as aside:
                    return await self._checked_out(repository, await repository.resolve(self._op.ref, aside))
            except Broken as broken:
                if attempt:
                    raise DataCorrupted(f"failed to fetch remote {self.remote.url}: {broken}") from broken
                await in_thread(self._throw_away)
        raise Internal(f"{self.remote.url} was not fetched")

    async def _checked_out(self, repository: Repository, named: Named) -> CacheRecord:
        self._check(named.commit)
        deps = self._deps
        record = self._record(named)
        self._build.lasting.enter_context(in_use(deps, record.key))
        if (deps.root / record.path).is_dir():
            used_again(deps, record)
            return record
        found = await repository.fetch(named)
        if found != named:
            return await self._checked_out(repository, found)
        async with draft_in(deps, CHECKOUTS) as draft:
            os.chmod(draft, 0o755)
            await check_out(repository, self._git(), named, draft, keep_git_dir=self._op.keep_git_dir)
            size = await in_thread(used_bytes, draft)
            keep(deps, draft, msgspec.structs.replace(record, size=size))
        return record

    def _check(self, commit: str) -> None:
        if not commit.startswith(self._op.checksum):
            raise DataCorrupted(f"expected checksum to match {self._op.checksum}, got {commit}")

    def _record(self, named: Named) -> CacheRecord:
        """The name of the ref is seen in a ``.git`` alone."""
        keep_git_dir = self._op.keep_git_dir
        parts = (self.remote.url, named.commit, keep_git_dir, named.name if keep_git_dir else "")
        hexdigest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
        described = f"git snapshot for {self.remote.url}#{named.commit}"
        return new_record(f"sha256:{hexdigest}", _KIND, described, f"{CHECKOUTS}/{hexdigest}", 0)

    @asynccontextmanager
    async def _repository(self, *, asked: bool) -> AsyncIterator[Repository]:
        """The bare one, made where it is missing, in use while the block runs.

        ``asked``: its server is, what its hashes are; else they are what most are, unless the ref tells.
        """
        deps, record = self._deps, self._shared()
        folder = deps.root / record.path
        with in_use(deps, record.key):
            if folder.is_dir():
                await in_thread(tidy, folder)
                used_again(deps, record)
            else:
                async with draft_in(deps, GIT) as draft:
                    format = format_of(self._op.ref) if is_commit(self._op.ref) or not asked else await self._format()
                    await make(self._git(), self.remote, draft, format)
                    keep(deps, draft, record)
            try:
                async with self._reaching(GIT_DIR=str(folder)) as git:
                    yield Repository(git, self.remote, folder)
            finally:
                size = await in_thread(used_bytes, folder)
                deps.cache.put(msgspec.structs.replace(deps.cache.get(record.key) or record, size=size))

    @asynccontextmanager
    async def _reaching(self, **extra: str) -> AsyncIterator[Git]:
        """A git that is let in by the server, as far as the client can have it so."""
        async with AsyncExitStack() as stack:
            header = self.remote.header or await self._header()
            agent = str(await self._agent(stack)) if self.remote.by_ssh else ""
            yield self._git(self.remote, header, agent, **extra)

    async def _format(self) -> str:
        async with self._reaching() as git:
            return await format_there(git, self.remote)

    async def _agent(self, stack: AsyncExitStack) -> Path:
        try:
            return await stack.enter_async_context(self._build.session.ssh(_AGENT))
        except NotFound as error:
            raise InvalidArgument(
                f'failed to fetch remote {self.remote.url}: no SSH key "{_AGENT}" forwarded from the client'
            ) from error

    async def _header(self) -> str:
        for name in secret_names(self.remote):
            secret = await self._build.session.secret(name)
            if secret is not None:
                return header_of(name, secret)
        return ""

    def _git(self, remote: Remote | None = None, header: str = "", agent: str = "", **extra: str) -> Git:
        proxies = self._deps.registries.settings.environment
        variables = environment(
            os.environ,
            os.environ if proxies is None else proxies,
            mark=mark_of(self._deps.root),
            remote=remote,
            header=header,
            agent=agent,
            known_hosts=str(self._deps.root / _KNOWN_HOSTS),
        )
        made = Git(variables | extra, self._log, self.remote.url)
        return made if self._silence is None else Git(variables | extra, self._log, self.remote.url, self._silence)

    def _shared(self) -> CacheRecord:
        hexdigest = hashlib.sha256(f"git repository {self.remote.url}".encode()).hexdigest()
        described = f"shared git repo for {self.remote.url}"
        return new_record(f"sha256:{hexdigest}", _KIND, described, f"{GIT}/{hexdigest}", 0)

    def _throw_away(self) -> None:
        aside = move_aside(self._deps.root / self._shared().path, trash(self._deps))
        if aside is not None:
            remove_tree(aside)


def _inside(tree: Path, folder: str) -> Path:
    """The folder of the tree, wherever links of the tree lead. Raises NotFound, InvalidArgument."""
    try:
        return path_in_root(tree, folder, os.O_DIRECTORY)
    except NotADirectoryError as error:
        raise InvalidArgument(f"subdir {folder}: not a directory") from error
    except FileNotFoundError as error:
        raise NotFound(f"subdir {folder}: no such file or directory") from error
    except OSError as error:
        raise InvalidArgument(f"subdir {folder}: {os.strerror(error.errno or 0).lower()}") from error
