"""Files of Git LFS (https://git-lfs.com): in a commit a pointer of three lines stands for each."""

from collections.abc import Iterator
from typing import Final

from pier.registry.builds.engine import Say
from pier.registry.builds.gitrun import Git
from pier.registry.settings import Build

_THEIRS: Final = ":(attr:filter=lfs)"
_FILTER: Final = (
    ("filter.lfs.process", "git-lfs filter-process"),
    ("filter.lfs.smudge", "git-lfs smudge -- %f"),
    ("filter.lfs.clean", "git-lfs clean -- %f"),
    ("filter.lfs.required", "true"),
)


async def bring(git: Git, rule: Build, say: Say) -> None:
    """Have what they are in the work tree, if the rule says so; else say that they are not. Raises what ``git`` does.

    Those of submodules stay as they are.
    """
    found = (await git("ls-files", _THEIRS)).splitlines()
    if found and rule.git_lfs:
        say(f"Fetching {len(found)} files of Git LFS\n")
        await git(*_words(rule), "lfs", "pull")
    elif found:
        say(f"{len(found)} files of Git LFS come as pointers to what they are: git_lfs = true would bring them\n")


def _words(rule: Build) -> Iterator[str]:
    """Its server is the repository's, whatever ``.lfsconfig`` says: that could name files of this host."""
    for name, value in (*_FILTER, ("lfs.url", server(rule.repository))):
        yield from ("-c", f"{name}={value}")


def server(repository: str) -> str:
    """Where it is (git-lfs-config(5), "Endpoints")."""
    if not repository.startswith(("http://", "https://")):
        return repository
    repository = repository.rstrip("/")
    return f"{repository}/info/lfs" if repository.endswith(".git") else f"{repository}.git/info/lfs"
