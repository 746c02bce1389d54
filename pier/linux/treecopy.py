"""Copying between tars and a container's tree, through a helper that has changed its root.

A :class:`View` says which tree: one that is mounted already (``/proc/<pid>/root``), or one that the helper
mounts for itself, where nobody else sees it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pier import errors
from pier.linux import helper, helper_paths
from pier.linux.helper_paths import Refused
from pier.linux.mount import Mount


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the host, shown at ``target`` of the tree."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """``mounts`` and ``binds`` are made by the helper in a mount namespace of its own, binds only with mounts.

    ``skip``: device numbers of file systems whose content is not copied. ``user_namespace`` (a path) is entered,
    for a tree that is mounted already: owners are then as they are seen in it.
    """

    root: Path
    mounts: tuple[Mount, ...] = ()
    binds: tuple[Bind, ...] = ()
    skip: tuple[int, ...] = ()
    user_namespace: Path | None = None


@dataclass(frozen=True, slots=True)
class PathFacts:
    """lstat(2) of a path: ``mode`` is st_mode. ``target`` is where a link leads in the end, "" for others."""

    mode: int
    size: int
    mtime_ns: int
    target: str


async def describe(view: View, path: str) -> PathFacts:
    """Raises NotFound, InvalidArgument."""
    if not view.mounts:
        report = await asyncio.to_thread(_describe, view.root, path)
    else:
        running = await helper.start(_task(view, "describe", path=path), view.root, [], feeding=False)
        try:
            report = await running.finish()
        finally:
            await running.kill()
    return PathFacts(report["mode"], report["size"], report["mtime"], report["target"])


def _describe(root: Path, path: str) -> dict[str, Any]:
    """Without a helper: openat2(2) alone keeps the look inside the tree."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return helper_paths.describe(folder, path)
    except Refused as refused:
        raise getattr(errors, refused.kind)(str(refused)) from refused
    finally:
        os.close(folder)


async def read(view: View, path: str, name: str) -> AsyncGenerator[bytes, None]:
    """A tar of ``path`` and all below it, under ``name``. Raises NotFound, InvalidArgument."""
    async with aclosing(_output(view, _task(view, "read", path=path, name=name))) as pieces:
        async for data in pieces:
            yield data


async def pack(view: View) -> AsyncGenerator[bytes, None]:
    """A tar of the whole tree, without other file systems mounted in it."""
    async with aclosing(_output(view, _task(view, "pack"))) as pieces:
        async for data in pieces:
            yield data


async def _output(view: View, task: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    running = await helper.start(task, view.root, [], feeding=False)
    try:
        async with aclosing(running.output()) as pieces:
            async for data in pieces:
                yield data
        await running.finish()
    finally:
        await running.kill()


async def write(
    view: View, path: str, tar: AsyncIterator[bytes], *, keep_kinds: bool = False, owner: tuple[int, int] | None = None
) -> None:
    """Unpack ``tar`` (compressed or not) at the folder ``path``.

    ``keep_kinds``: refuse to put a file in a folder's place, or a folder in a file's. ``owner``: whose
    everything becomes; else the tar says. Raises NotFound, InvalidArgument, DataCorrupted, NoSpace.
    """
    task = _task(view, "write", path=path, keep_kinds=keep_kinds, owner=owner)
    running = await helper.start(task, view.root, [], feeding=True)
    try:
        try:
            async for data in tar:
                await running.write(data)
        except BrokenPipeError:
            pass  # the helper has given up: its report says why
        await running.finish()
    finally:
        await running.kill()


def _task(view: View, verb: str, **more: Any) -> dict[str, Any]:
    mounts = [
        {"type": each.type, "source": each.source, "target": os.fspath(each.target), "options": each.options}
        for each in view.mounts
    ]
    binds = [{"source": each.source, "target": each.target, "read_only": each.read_only} for each in view.binds]
    common = {"folder": os.fspath(view.root), "mounts": mounts, "binds": binds, "skip": view.skip}
    if view.user_namespace is not None:
        more["user_namespace"] = os.fspath(view.user_namespace)
    return {"task": "copy", "verb": verb, **common, **more}
