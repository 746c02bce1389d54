"""The two questions that are asked of what steps read: is it the same as before, and where can it be read?"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pier.build.context.digests import digest
from pier.build.context.files import Files, Selector
from pier.build.context.select import opened_tree
from pier.build.deps import Build, Deps
from pier.build.graph import Rootfs
from pier.build.ops.op import Absent, Result
from pier.build.threads import in_thread
from pier.build.worktree import STEPS
from pier.linux.mount import mount, unmount_below
from pier.linux.trees import remove_tree
from pier.oci.digest import Digest
from pier.oci.ignore import Matcher


async def content_digest(build: Build, source: Result, selector: Selector, *, input: int) -> str:
    """``sha256:...`` of what ``selector`` picks from ``source``, the result of input number ``input``.

    Raises NotFound (``"/x": not found``), Absent where the layers must be there to tell, and are not.
    """
    named = source.chain or "scratch" if isinstance(source, Rootfs) else source.immutable
    selection = selection_of(source, selector)
    if named and (remembered := build.deps.cache.content(named, selection)):
        return remembered
    if isinstance(source, Rootfs) and any(chain not in build.deps.snapshots.layers() for chain in _top(source)):
        raise Absent(input)
    async with reading(build, source) as folder:
        found = await in_thread(_digest, build.deps, folder, source, selector, selection)
    if named:
        build.deps.cache.remember(named, selection, Digest(found), time.time_ns())
    return found


def _top(source: Rootfs) -> tuple[Digest, ...]:
    return (source.chain,) if source.chain else ()


def selection_of(source: Result, selector: Selector) -> str:
    """What is read of ``source``, as a name for what is known of it: all of the selector counts, and what is ignored.

    It is text that can be stored, whatever bytes are in the patterns.
    """
    ignored = source.exclude if isinstance(source, Files) else ()
    return repr((selector, ignored))


def _digest(deps: Deps, folder: Path, source: Result, selector: Selector, selection: str) -> str:
    with opened_tree(folder) as tree:
        if isinstance(source, Rootfs):
            return digest(tree, selector, None, None, owned=True)
        ignored = Matcher(source.exclude) if source.exclude else None
        if source.immutable or not source.folder.key:
            return digest(tree, selector, ignored, None, owned=False)
        known = deps.known_files.get(deps.root, source.folder.key, selection)
        before = known.combined, known.facts
        found = digest(tree, selector, ignored, known, owned=False)
        if before != (known.combined, known.facts):
            deps.known_files.put(deps.root, source.folder.key, selection, known)
        return found


@asynccontextmanager
async def reading(build: Build, source: Result) -> AsyncIterator[Path]:
    """A folder of the host in which all of ``source`` can be read while the block runs. Write nothing there."""
    if isinstance(source, Files):
        yield source.folder.path
        return
    folder = build.deps.run / STEPS / f"view-{secrets.token_hex(12)}"
    try:
        await in_thread(_show, build, source, folder)
        yield folder
    finally:
        await in_thread(_hide, folder)


def _show(build: Build, source: Rootfs, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)
    if source.chain is not None:
        mount(build.deps.snapshots.view(source.chain, folder))


def _hide(folder: Path) -> None:
    unmount_below(folder)
    remove_tree(folder)
