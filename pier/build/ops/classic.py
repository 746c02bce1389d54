"""What Docker's classic builder refuses of a COPY or ADD, in its words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pier.build.context.contents import reading
from pier.build.context.files import Files
from pier.build.context.select import find, opened_tree
from pier.build.deps import Build
from pier.build.graph import ClassicRules, Copy, CopyItem
from pier.build.ops.op import Result
from pier.build.threads import in_thread
from pier.errors import InvalidArgument
from pier.oci.ignore import Matcher
from pier.runtime.lookup import account_in

_OWNER: Final = "unable to convert uid/gid chown string to host mapping: "


async def check(build: Build, op: Copy, rules: ClassicRules, root: Path, inputs: Sequence[Result]) -> None:
    """``root``: what is copied into. Raises InvalidArgument."""
    count = sum([await _count(build, op, item, inputs) for item in op.items])
    if not count:
        raise InvalidArgument(f"{rules.keyword} failed: no source files were specified")
    if rules.single and count > 1:
        raise InvalidArgument(
            f"When using {rules.keyword} with more than one source file, "
            "the destination must be a directory and end with a /"
        )
    await in_thread(_check_owner, root, op.chown)


async def _count(build: Build, op: Copy, item: CopyItem, inputs: Sequence[Result]) -> int:
    """How many files and folders the source names."""
    if item.input is None:
        return 1
    source = inputs[item.input]
    ignored = Matcher(source.exclude) if isinstance(source, Files) and source.exclude else None
    async with reading(build, source) as folder:
        return await in_thread(_matches, folder, item.path, ignored, op.parents)


def _matches(folder: Path, pattern: str, ignored: Matcher | None, deep: bool) -> int:
    with opened_tree(folder) as there:
        return len(find(there, pattern, ignored, deep=deep))


def _check_owner(root: Path, chown: str) -> None:
    user, _, group = chown.partition(":")
    if user and not user.isdigit() and not _known(root, user):
        raise InvalidArgument(f"{_OWNER}can't find uid for user {user}: no such user: {user}")
    group = group or ("" if user.isdigit() else user)
    if group and not group.isdigit() and not _known(root, f"0:{group}"):
        raise InvalidArgument(f"{_OWNER}can't find gid for group {group}: no such group: {group}")


def _known(root: Path, user: str) -> bool:
    try:
        account_in(root, user)
    except InvalidArgument:
        return False
    return True
