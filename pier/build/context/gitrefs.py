"""What the refs of a repository mean (pure)."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{7,63}")
_PEELED: Final = "^{}"
HEAD: Final = "HEAD"


class Named(msgspec.Struct, frozen=True):
    """``name``: the ref, empty for a commit by its number."""

    commit: str
    name: str = ""


def is_commit(ref: str) -> bool:
    return _COMMIT.fullmatch(ref) is not None


def may_be_commit(ref: str) -> bool:
    """Whether it can be the beginning of a commit's number."""
    return _ABBREVIATED.fullmatch(ref) is not None


def parse_refs(listing: bytes) -> dict[str, str]:
    """The output of ``git ls-remote``: commits (and tag objects) by ref."""
    lines = (line.partition("\t") for line in listing.decode("utf-8", "surrogateescape").splitlines())
    return {name: commit for commit, _, name in lines if name and is_commit(commit)}


def patterns(ref: str) -> tuple[str, ...]:
    """What to ask ``git ls-remote`` for."""
    return (ref or HEAD, (ref or HEAD) + _PEELED)


def choose(refs: Mapping[str, str], ref: str) -> Named | None:
    """The commit of ``ref``: of a branch rather than a tag, as BuildKit has it; of HEAD where it is empty."""
    if not ref or ref == HEAD:
        return Named(refs[HEAD], HEAD) if HEAD in refs else None
    branch = "refs/heads/" + ref.removeprefix("refs/heads/")
    tag = "refs/tags/" + ref.removeprefix("refs/tags/")
    for name in (branch, tag, "refs/" + ref.removeprefix("refs/")):
        if name in refs:
            return Named(refs.get(name + _PEELED, refs[name]), name)
    return None
