"""The commit that was pushed, fetched here: for repositories that only people with credentials may read."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.linux.files import path_in_root
from pier.linux.git import GitFailed, format_of, origin, update_submodules
from pier.linux.trees import remove_tree
from pier.oci.ignore import Matcher
from pier.registry.builds import lfs
from pier.registry.builds.credentials import git_secret
from pier.registry.builds.engine import Say
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.gitconfig import ASKPASS, askpass_of, config, environment
from pier.registry.builds.gitrun import Git
from pier.registry.builds.gitsaid import failure, hidden, not_given
from pier.registry.builds.ignored import ignored
from pier.registry.builds.rooms import room
from pier.registry.builds.tasks import Task
from pier.registry.settings import Build
from pier.registry.threads import hop

_HERE: Final = "refs/pier/built"
_FETCH: Final = ("fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head")
_LATEST: Final = 1 << 33


@dataclass(frozen=True, slots=True)
class Checkout:
    """``folder`` is the build's context, less what is ``ignored``; ``time`` the commit's, in seconds since 1970."""

    folder: Path
    time: int
    ignored: Matcher


@asynccontextmanager
async def checked_out(root: Path, rule: Build, task: Task, say: Say) -> AsyncIterator[Checkout]:
    """Within, its files are in a folder below ``root``. Raises BuildFailed, Unavailable, NoSpace."""
    secret = await hop(None, git_secret, rule)
    async with room(root) as place:
        tree, file = place / "tree", place / "config"
        tree.mkdir()
        await hop(None, _settle, rule, file)
        git = Git(environment(rule, os.environ, str(file), secret), tree, rule.git_size)
        try:
            time = await _fetch(git, rule, task)
            await lfs.bring(git, rule, say)
        except GitFailed as error:
            await hop(None, git.look)
            raise failure(rule, hidden(error.errors, secret[1])) from error
        await hop(None, git.look)
        await hop(None, remove_tree, tree / ".git")
        folder = await hop(None, _inside, tree, rule.folder)
        yield Checkout(folder, time, await hop(None, ignored, folder, rule.dockerfile))


def _settle(rule: Build, file: Path) -> None:
    file.write_text(config(rule))
    if rule.git_key_passphrase_file:
        askpass = Path(askpass_of(str(file)))
        askpass.write_text(ASKPASS)
        askpass.chmod(0o700)


async def _fetch(git: Git, rule: Build, task: Task) -> int:
    """Fill its folder; the commit's time."""
    number = task.commit or (await git("ls-remote", rule.repository, task.ref)).partition("\t")[0]
    await git("init", "--quiet", "--template=", f"--object-format={format_of(number)}")
    with (git.folder / ".git" / "config").open("a") as file:
        file.write(origin(rule.repository))
    commit = await _get(git, rule, task)
    await git("checkout", "--quiet", "--detach", commit)
    if (git.folder / ".gitmodules").is_file() and not (git.folder / ".gitmodules").is_symlink():
        await update_submodules(git, git.folder / ".git")
    time = int(await git("show", "-s", "--format=%ct", commit))
    return min(max(time, 0), _LATEST)


async def _get(git: Git, rule: Build, task: Task) -> str:
    """Bring one commit, and say which: what was pushed may have been a tag, by a number of its own.

    Where the server gives none by its number, all that leads to the ref comes.
    """
    try:
        await git(*_FETCH, "--depth=1", "origin", f"+{task.commit or task.ref}:{_HERE}")
        return await git("rev-parse", "--verify", f"{_HERE}^{{commit}}")
    except GitFailed as error:
        if not not_given(error.errors):
            raise
    await git(*_FETCH, "origin", f"+{task.ref}:{_HERE}")
    try:
        return await git("rev-parse", "--verify", "--quiet", f"{task.commit or _HERE}^{{commit}}")
    except GitFailed as error:
        raise BuildFailed(f"{rule.repository} has no commit {task.commit} in {task.ref}") from error


def _inside(tree: Path, folder: str) -> Path:
    """Wherever links of the tree lead: not out of it. Raises BuildFailed."""
    try:
        return path_in_root(tree, folder, os.O_DIRECTORY)
    except OSError as error:
        raise BuildFailed(f"folder {folder} of the repository: {os.strerror(error.errno or 0).lower()}") from error
