"""The bare repository that stands for a remote one: what was fetched of it, and asking for more.

Below ``refs/pier/COMMIT`` is a ref for each commit that is there with all its files, by the name that was asked for.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.build.context.gitcall import Git
from pier.build.context.gitenv import Remote, checked_ref
from pier.build.context.gitrefs import Named, choose, is_commit, may_be_commit, parse_refs, patterns
from pier.errors import DeadlineExceeded, InvalidArgument, NotFound, PierError, Unauthorized, Unavailable, Unsupported
from pier.linux.git import GitFailed, format_of, origin

_REFS: Final = "refs/pier"
_ALL: Final = ("+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")
_FETCH: Final = ("fetch", "--no-tags", "--no-write-fetch-head", "--force")
_UNKNOWN: Final = re.compile(
    r"not our ref|Unable to find [0-9a-f]{40}|unadvertised object|[Cc]ouldn't find remote ref|no such remote ref"
)
_BROKEN: Final = re.compile(
    r"not a git repository|bad object|corrupt|unable to read (tree|sha1|[0-9a-f]{40})|file \S+ is empty"
    r"|missing (blob|tree|commit)|all necessary objects|mismatched algorithms"
)
_REASONS: Final[tuple[tuple[str, type[PierError]], ...]] = (
    (r"could not read (Username|Password)|Authentication failed|Permission denied \(|HTTP 40[13]", Unauthorized),
    (r"Operation too slow|timed out|Timeout, server", DeadlineExceeded),
    (r"cannot run ssh|ssh: not found", Unsupported),
    (
        r"Could not resolve host|unable to connect|[Cc]onnection|HTTP 5\d\d|hung up|early EOF|unable to access",
        Unavailable,
    ),
)
_HINTS: Final[dict[type[PierError], str]] = {
    Unauthorized: " (give the build a secret GIT_AUTH_TOKEN, or --ssh default)",
    Unsupported: ' (install the package "openssh-client" on the daemon\'s host)',
}
_TELLING: Final = re.compile("fatal:|error:|ERROR:|ssh:|remote:")
_LONGEST: Final = 1000


class Broken(Exception):
    """What is on disk cannot be used (it may be of other hashes): it must be fetched anew."""


async def format_there(git: Git, remote: Remote) -> str:
    """Of the remote's hashes. ``git`` has no repository. Where nobody answers that is for others to say."""
    try:
        found = parse_refs(await git("ls-remote", remote.url, quiet=True))
    except GitFailed:
        return format_of("")
    return format_of(next(iter(found.values()), ""))


async def make(git: Git, remote: Remote, folder: Path, format: str) -> None:
    """A new and empty one in the folder ``folder``. ``format``: of its hashes."""
    await git("init", "--quiet", "--bare", "--template=", f"--object-format={format}", str(folder), quiet=True)
    with (folder / "config").open("a") as file:
        file.write(origin(remote.url))


def tidy(folder: Path) -> None:
    """Remove what a git that was killed has left. Nobody else may use it just now. Blocks."""
    for above, folders, names in os.walk(folder):
        inside = Path(above).is_relative_to(folder / "objects")
        for name in names:
            if name.startswith("tmp_") if inside else name.endswith(".lock"):
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(above, name))
        if inside:
            folders[:] = [name for name in folders if not name.startswith("tmp_")]


class Repository:
    """``git`` may reach the remote, and has the bare repository ``folder`` as its GIT_DIR."""

    def __init__(self, git: Git, remote: Remote, folder: Path) -> None:
        self.git = git
        self.remote = remote
        self.folder = folder

    async def resolve(self, ref: str, aside: Path) -> Named:
        """The commit that ``ref`` names now. ``aside``: where something may be made to find it. Raises NotFound."""
        if is_commit(checked_ref(ref)):
            return Named(ref)
        found = choose(parse_refs(await self._ask("ls-remote", "origin", *patterns(ref))), ref)
        if found is None and may_be_commit(ref):
            found = await self._complete(ref, aside)
        if found is None:
            raise NotFound(f"repository does not contain ref {ref or 'HEAD'}: couldn't find remote ref {ref or 'HEAD'}")
        self.git.log(1, f"{found.commit}\t{found.name or ref}\n".encode())
        return found

    async def _complete(self, beginning: str, aside: Path) -> Named | None:
        """The commit whose number begins so: one that a ref names, or any. Raises NotFound where there are several."""
        tips = set(parse_refs(await self._ask("ls-remote", "origin")).values())
        if len(matching := [tip for tip in tips if tip.startswith(beginning)]) == 1:
            return Named(matching[0])
        await make(self.git, self.remote, aside, await self.format())
        inside = {"GIT_DIR": str(aside)}
        await self._ask(*_FETCH, "--quiet", "origin", *_ALL, env=inside)  # a filter would make some servers hang
        try:
            words = ("rev-parse", "--verify", "--end-of-options", f"{beginning}^{{commit}}")
            found = await self.git(*words, quiet=True, env=inside)
        except GitFailed as error:
            if "ambiguous" in error.errors:
                raise NotFound(f"several commits of {self.remote.url} begin with {beginning}") from error
            return None
        return Named(found.decode().strip())

    async def fetch(self, named: Named) -> Named:
        """Have it here. A branch may have moved on since it was resolved: returns the commit that came."""
        if await self._commit(self.kept(named)) == named.commit:
            return named
        if named.name:
            await self._fetch(f"+{named.name}:{self.kept(named)}")
        else:
            await self._fetch_commit(named)
        commit = await self._commit(self.kept(named))
        if not commit:
            raise NotFound(f"{named.name or named.commit} of {self.remote.url} is no commit")
        found = Named(commit, named.name)
        if found != named:
            await self.git("update-ref", self.kept(found), self.kept(named))
            await self.git("update-ref", "-d", self.kept(named))
        return found

    def kept(self, named: Named) -> str:
        """The ref that it has here."""
        return f"{_REFS}/{named.commit}/{named.name or 'commit'}"

    async def format(self) -> str:
        """Of its hashes."""
        return (await self.git("rev-parse", "--show-object-format", quiet=True)).decode().strip()

    async def _commit(self, ref: str) -> str:
        """Empty where there is none."""
        try:
            words = ("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
            return (await self.git(*words, quiet=True)).decode().strip()
        except GitFailed:
            return ""

    async def _fetch(self, refspec: str) -> None:
        try:
            await self.git(*_FETCH, "--depth=1", "origin", refspec)
        except GitFailed as error:
            if "shallow" not in error.errors:  # plain files behind a web server
                raise self.failure(error) from error
            await self._ask(*_FETCH, "origin", refspec)

    async def _fetch_commit(self, named: Named) -> None:
        """By its number, where the server gives it so; else among everything that the server has."""
        try:
            await self._fetch(f"+{named.commit}:{self.kept(named)}")
            return
        except NotFound:
            pass
        deepen = ("--unshallow",) if (self.folder / "shallow").exists() else ()
        await self._ask(*_FETCH, *deepen, "origin", *_ALL)
        try:
            containing = await self.git("for-each-ref", "--contains", named.commit, "refs/all", quiet=True)
        except GitFailed:
            containing = b""
        if not containing:
            raise NotFound(f"repository does not contain ref {named.commit}")
        await self.git("update-ref", self.kept(named), named.commit)

    async def _ask(self, *words: str, env: Mapping[str, str] | None = None) -> bytes:
        try:
            return await self.git(*words, env=env)
        except GitFailed as error:
            raise self.failure(error) from error

    def failure(self, error: GitFailed) -> Exception:
        """What to raise for it: a kind, or Broken."""
        if _UNKNOWN.search(error.errors):
            return NotFound(f"failed to fetch remote {self.remote.url}: {_last(error)}")
        if _BROKEN.search(error.errors) and "remote error" not in error.errors:
            return Broken(str(error))
        kind = next((kind for pattern, kind in _REASONS if re.search(pattern, error.errors)), InvalidArgument)
        return kind(f"failed to fetch remote {self.remote.url}: {_last(error)}{_HINTS.get(kind, '')}")


def _last(error: GitFailed) -> str:
    """The lines that say why."""
    lines: Sequence[str] = [line.strip() for line in error.errors.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if _TELLING.match(line)), max(len(lines) - 2, 0))
    return "git error: " + (" ".join(lines[first:])[-_LONGEST:] or str(error))
