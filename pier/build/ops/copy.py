"""COPY and ADD: files of contexts, stages and here-documents, and what archives hold, as one layer."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pier.build.context.contents import content_digest, reading
from pier.build.context.files import Files, Selector
from pier.build.context.patterns import components
from pier.build.context.select import Below, Found, Skip, find, opened_tree, skipping, walk
from pier.build.copying.landing import Attributes, Landing
from pier.build.copying.modes import parse_mode
from pier.build.copying.moving import move
from pier.build.copying.places import Places
from pier.build.copying.unpacking import is_archive, unpack_at
from pier.build.deps import Build
from pier.build.graph import Copy, CopyItem, Rootfs, Vertex
from pier.build.ops.classic import check
from pier.build.ops.op import Result
from pier.build.threads import in_thread
from pier.build.worktree import Worktree, worktree
from pier.errors import InvalidArgument
from pier.linux.files import disk_errors
from pier.oci.ignore import Matcher
from pier.runtime.lookup import account_in

_VERSION = 2
"""Of how files land: to be raised when a step that is cached would come out differently now."""


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    """Raises NotFound for a source that is not there, and Absent."""
    op = _op(vertex)
    digests = []
    for item in op.items:
        if item.input is not None:
            selector = Selector((item.path,), op.exclude, op.parents)
            digests.append(await content_digest(build, inputs[item.input], selector, input=item.input))
    plain = [(item.path if item.input is None else "", item.content, item.unpack) for item in op.items]
    parts = (op.dest, op.chown, op.chmod, op.parents, op.exclude, plain, digests, _base(op, inputs).chain)
    refusing = () if op.classic is None else (op.classic,)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(("copy", _VERSION, *parts, *refusing))).hexdigest()


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Rootfs:
    """Raises NotFound, InvalidArgument for what is in the way or an unknown owner, NoSpace."""
    op = _op(vertex)
    async with worktree(build.deps, _base(op, inputs)) as tree:
        if op.classic is not None:
            await check(build, op, op.classic, tree.root, inputs)
        copying = _Copying(build, op, tree, await in_thread(_owner, tree.root, op))
        for item in op.items:
            await copying.copy(item, inputs)
        return await tree.commit()


def _op(vertex: Vertex) -> Copy:
    assert isinstance(vertex.op, Copy)
    return vertex.op


def _base(op: Copy, inputs: Sequence[Result]) -> Rootfs:
    base = inputs[op.base] if op.base is not None else Rootfs()
    assert isinstance(base, Rootfs)
    return base


def _owner(root: Path, op: Copy) -> tuple[int, int] | None:
    """Numbers of ``user[:group]``; a number alone is both. As Docker has it, a name that nobody has is root's."""
    if not op.chown:
        return None
    user, _, group = op.chown.partition(":")
    if op.base is None and not all(part.isdigit() for part in (user or "0", group or "0")):
        raise InvalidArgument("invalid user index: -1")
    uid, gid = _ids(root, user, (0, 0))
    gid = uid if user.isdigit() else gid
    return (uid, _ids(root, f"0:{group}", (0, gid))[1] if group else gid)


def _ids(root: Path, user: str, unknown: tuple[int, int]) -> tuple[int, int]:
    try:
        account = account_in(root, user)
    except InvalidArgument:
        if user.rpartition(":")[2].isdigit():
            raise
        return unknown
    return (account.uid, account.gid)


class _Copying:
    def __init__(self, build: Build, op: Copy, tree: Worktree, owner: tuple[int, int] | None) -> None:
        self._build = build
        self._op = op
        self._tree = tree
        self._owner = owner
        self._mode = parse_mode(op.chmod) if op.chmod else None

    async def copy(self, item: CopyItem, inputs: Sequence[Result]) -> None:
        if item.input is None:
            await in_thread(self._write, item)
            return
        source = inputs[item.input]
        async with reading(self._build, source) as folder:
            with opened_tree(folder) as there, opened_tree(self._tree.root) as here:
                for part in await in_thread(self._plan, there, here, item, source):
                    if isinstance(part, Found):
                        await self._unpack(there, here, part)
                    else:
                        await move(part)
                        await in_thread(part.finish)

    def _write(self, item: CopyItem) -> None:
        with opened_tree(self._tree.root) as here, disk_errors():
            landing = Landing(here, here, Attributes(self._owner, self._mode, owned=False))
            landing.write(item.path, (item.content or "").encode(), self._op.dest)

    def _plan(self, there: int, here: int, item: CopyItem, source: Result) -> list[Landing | Found]:
        """Make the folders and list the files: what is to be moved, and the archives to be unpacked, in order."""
        ignored = Matcher(source.exclude) if isinstance(source, Files) and source.exclude else None
        excluded = Matcher(self._op.exclude) if self._op.exclude else None
        matches = find(there, item.path, ignored, deep=self._op.parents)
        attributes = Attributes(self._owner, self._mode, isinstance(source, Rootfs))

        def begin() -> Landing:
            return Landing(there, here, attributes, set() if len(matches) > 1 else None)

        parts: list[Landing | Found] = [landing := begin()]
        with disk_errors():
            for found in matches:
                if excluded and found.path and not found.is_folder and excluded.excludes(found.path, False):
                    continue
                if item.unpack and not found.is_folder and is_archive(there, found.path):
                    parts += [found, landing := begin()]
                    continue
                below = self._below(there, found, skipping(found, ignored, excluded), once=len(matches) == 1)
                if not self._land(landing, item, found, below):
                    parts.append(landing := begin())
                    self._land(landing, item, found, below)
        return parts

    @staticmethod
    def _below(there: int, found: Found, skip: Skip | None, *, once: bool) -> Iterable[Below]:
        below = walk(there, found, skip) if found.is_folder else ()
        return below if once else list(below)

    def _land(self, landing: Landing, item: CopyItem, found: Found, below: Iterable[Below]) -> bool:
        dest = self._op.dest
        if not self._op.parents:
            return landing.put(found, below, dest)
        pivot, anchor = _pivot(item.path, found.anchor)
        landing.parents(pivot, f"{anchor}/" if found.is_folder else anchor, dest, landing.source)
        folder = anchor if found.is_folder else anchor.rpartition("/")[0]
        return landing.put(found, below, f"{dest.rstrip('/')}/{folder}/")

    async def _unpack(self, there: int, here: int, archive: Found) -> None:
        folder = await in_thread(Places(here, self._owner or (0, 0)).make_folders, self._op.dest)
        await unpack_at(there, archive.path, self._tree, folder)


def _pivot(pattern: str, anchor: str) -> tuple[str, str]:
    """What of ``anchor`` is left out by ``/./`` in the pattern, and what is kept."""
    before, has_pivot, _ = pattern.partition("/./")
    if not has_pivot:
        return "", anchor
    count = len(components(before))
    parts = anchor.split("/")
    return "/".join(parts[:count]), "/".join(parts[count:])
