"""Layers that steps make: merged onto others, given up half-way, and left by a daemon that was killed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.build.deps import Deps
from pier.build.graph import Merge, Rootfs
from pier.build.ops import merge
from pier.build.recover import recover
from pier.build.steps.failed import StepFailed
from pier.build.worktree import worktree
from pier.errors import Internal, NotFound
from pier.images.release import release_layers
from pier.snapshots import diff
from pier.testing.buildsteps import Steps, build_steps, vertex
from tests.compat.rootfs import busybox_rootfs


@pytest.fixture
async def steps(tmp_path: Path) -> AsyncIterator[Steps]:
    async with build_steps(tmp_path, busybox_rootfs()) as made:
        yield made
        assert made.left() == []


async def written(deps: Deps, base: Rootfs, **files: str) -> Rootfs:
    async with worktree(deps, base) as tree:
        for name, text in files.items():
            (tree.root / name).write_text(text)
        return await tree.commit()


async def test_a_worktree_that_is_given_up_leaves_nothing(steps: Steps) -> None:
    before = set(steps.deps.snapshots.layers())
    with pytest.raises(KeyError):
        async with worktree(steps.deps, steps.base) as tree:
            (tree.root / "file").write_text("x")
            raise KeyError
    assert set(steps.deps.snapshots.layers()) == before


async def test_merging_copies_nothing(steps: Steps) -> None:
    deps = steps.deps
    alone = await written(deps, Rootfs(), one="1", two="2")
    merged = await merge.execute(steps.build(), vertex(Merge(upper=1, base=0)), [steps.base, alone])
    assert merged.diff_ids == (*steps.base.diff_ids, *alone.diff_ids)
    assert merged.chain is not None
    assert alone.chain is not None
    first, second = deps.snapshots.layer(alone.chain), deps.snapshots.layer(merged.chain)
    assert (first.root / "one").stat().st_ino == (second.root / "one").stat().st_ino
    deps.snapshots.remove_layer(alone.chain)
    assert b"".join([data async for data in diff.layer_tar(second)])
    async with worktree(deps, merged) as tree:
        assert (tree.root / "one").read_text() == "1"
        assert (tree.root / "bin/busybox").exists()
    again = await merge.execute(steps.build(), vertex(Merge(upper=1, base=0)), [steps.base, alone])
    assert again == merged


async def test_merging_what_is_gone(steps: Steps) -> None:
    alone = await written(steps.deps, Rootfs(), gone="1")
    assert alone.chain is not None
    await release_layers(steps.deps.images, alone.chain)
    with pytest.raises(NotFound):
        await merge.execute(steps.build(), vertex(Merge(upper=1, base=0)), [steps.base, alone])


async def test_what_a_killed_daemon_leaves(steps: Steps) -> None:
    running = asyncio.create_task(steps.run("echo up; sleep 1000"))
    while not steps.said():
        await asyncio.wait({running}, timeout=0.005)
    await recover(steps.deps)
    assert steps.left() == []
    with pytest.raises((StepFailed, Internal), match=r"exit code: 137|cannot open status file"):
        await running  # a killed daemon's crun has nobody to tell: it may find what it kept of the step removed
