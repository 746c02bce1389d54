"""The files of a commit, and of its submodules, in a folder."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from pier.build.context.gitcall import Git
from pier.build.context.gitrefs import Named
from pier.build.context.gitrepo import Repository
from pier.build.threads import in_thread
from pier.linux.git import GitFailed, origin, update_submodules
from pier.linux.trees import remove_tree

_GIT: Final = ".git"
_MODULES: Final = ".gitmodules"
_LATEST: Final = 1 << 33
_OF_NOW: Final = ("FETCH_HEAD", "ORIG_HEAD", "logs")


async def check_out(repository: Repository, local: Git, named: Named, place: Path, *, keep_git_dir: bool) -> None:
    """Fill the empty folder ``place``. ``local``: a git that reaches this host's repositories, and nothing else.

    What is there has the commit's time, unless its ``.git`` stays. Raises what :meth:`Repository.failure` returns.
    """
    try:
        modules = await repository.git("ls-tree", named.commit, _MODULES, quiet=True)
        if keep_git_dir or modules:
            await _clone(repository, local, named, place)
            if modules:
                await _submodules(repository, place)
        else:
            await _plain(repository, named, place)
        if keep_git_dir:
            await in_thread(_forget_now, place / _GIT)
            return
        time = await repository.git("show", "-s", "--format=%ct", named.commit, quiet=True)
    except GitFailed as error:
        raise repository.failure(error) from error
    await in_thread(_finish, place, min(max(int(time.split()[-1]), 0), _LATEST))


async def _plain(repository: Repository, named: Named, place: Path) -> None:
    index = place.with_name(place.name + ".index")
    try:
        words = ("read-tree", "--reset", "-u", named.commit)
        await repository.git(*words, env={"GIT_WORK_TREE": str(place), "GIT_INDEX_FILE": str(index)})
    finally:
        with suppress(FileNotFoundError):
            os.unlink(index)


async def _clone(repository: Repository, local: Git, named: Named, place: Path) -> None:
    """A repository with this one commit, whose origin is the remote."""
    format = await repository.format()
    await local("init", "--quiet", "--template=", f"--object-format={format}", str(place), quiet=True)
    with (place / _GIT / "config").open("a") as file:
        file.write(origin(repository.remote.url))
    name = named.name if named.name.startswith(("refs/heads/", "refs/tags/")) else "refs/fetched"
    refspec = f"+{repository.kept(named)}:{name}"
    words = ("fetch", "--quiet", "--update-head-ok", "--no-tags", "--depth=1", str(repository.folder), refspec)
    await local(*words, cwd=place)
    await local("checkout", "--quiet", "--detach", named.commit, cwd=place)


async def _submodules(repository: Repository, place: Path) -> None:
    outside = {"GIT_DIR": str(place / _GIT), "GIT_WORK_TREE": str(place)}
    await update_submodules(partial(repository.git, cwd=place, env=outside), place / _GIT)


def _forget_now(folder: Path) -> None:
    for name in _OF_NOW:
        remove_tree(folder / name)


def _finish(place: Path, time: int) -> None:
    """No tree of git's can have a ``.git``: those that are there are of this checkout."""
    for above, folders, names in os.walk(place, topdown=False):
        for name in (*folders, *names):
            path = os.path.join(above, name)
            if name == _GIT:
                remove_tree(Path(path))
            else:
                os.utime(path, (time, time), follow_symlinks=False)
    os.utime(place, (time, time))
