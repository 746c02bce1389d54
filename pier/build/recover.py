"""Steps of a daemon that was killed: none of them runs on, and nothing of them stays."""

import asyncio
import contextlib
import signal
from pathlib import Path

from pier.build.context.gitcall import end_strays
from pier.build.deps import Deps
from pier.build.steps.cachemounts import drafts
from pier.build.worktree import STEPS
from pier.errors import PierError
from pier.linux import cgroup
from pier.linux.mount import unmount_below
from pier.linux.trees import remove_tree
from pier.log import Logger
from pier.runtime import bundle

_log = Logger("pier.build")


async def recover(deps: Deps) -> None:
    """At start-up. Their layers in the making are the snapshotter's to drop, their networks those of ``networks``."""
    for folder in await asyncio.to_thread(_steps, deps.run):
        try:
            await _end(deps, folder)
        except (PierError, OSError) as error:
            _log.warning("clean-up", step=folder.name, error=error)
    await asyncio.to_thread(end_strays, deps.root)
    for draft in drafts(deps):
        await asyncio.to_thread(remove_tree, draft)


async def close(deps: Deps) -> None:
    """At shutdown, when no step runs any more: what was kept for the next one."""
    await deps.sandboxes.close(deps.networks)
    group = f"{deps.settings.cgroup_parent}/build"
    await asyncio.to_thread(cgroup.remove_if_empty, cgroup.detect(), group)


def _steps(run: Path) -> list[Path]:
    try:
        return sorted((run / STEPS).iterdir())
    except FileNotFoundError:
        return []


async def _end(deps: Deps, folder: Path) -> None:
    """Kill its processes, then remove what the runtime, the mounts and the run folder have of it."""
    group = await asyncio.to_thread(_group, folder)
    trees = cgroup.detect()
    if group:
        await asyncio.to_thread(cgroup.signal_all, trees, group, signal.SIGKILL)
    with contextlib.suppress(PierError):
        await deps.runtime.delete(folder.name, force=True)
    if group:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(cgroup.remove, trees, group)
    await asyncio.to_thread(unmount_below, folder)
    await asyncio.to_thread(remove_tree, folder)


def _group(folder: Path) -> str:
    """The cgroup of the step, as its bundle says; empty for one that never came to run."""
    try:
        return str(bundle.read(folder)["linux"]["cgroupsPath"])
    except (OSError, ValueError, KeyError):
        return ""
