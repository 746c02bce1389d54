"""COPY --link: the layers of one result on top of another's, whatever they lay on before.

Where that would hide what the base has, a folder's mode or a link, the files are copied onto it instead.
"""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from pier.build.context.contents import reading
from pier.build.context.select import opened_tree
from pier.build.copying.linked import land, lies
from pier.build.copying.moving import move
from pier.build.deps import Build
from pier.build.graph import Merge, Rootfs, Vertex
from pier.build.ops.op import Result
from pier.build.threads import in_thread
from pier.build.worktree import worktree
from pier.errors import NotFound
from pier.oci.image import chain_ids
from pier.snapshots.twin import twin


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    base, upper = _parts(vertex, inputs)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(("merge", vertex.op, base.chain, upper.chain))).hexdigest()


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Rootfs:
    """Raises InvalidArgument for what a plain copy could not replace either, NoSpace."""
    snapshots = build.deps.snapshots
    base, upper = _parts(vertex, inputs)
    if not await _lies(build, vertex, base, upper):
        return await _landed(build, vertex, base, upper)
    merged = Rootfs((*base.diff_ids, *upper.diff_ids))
    chains = chain_ids(merged.diff_ids)
    with ExitStack() as pins:
        pins.enter_context(build.deps.images.pins.hold(chains))
        for number, diff_id in enumerate(merged.diff_ids):
            if chains[number] in snapshots.layers():
                continue
            layer = snapshots.with_diff(diff_id)
            if layer is None:
                raise NotFound(f"layer {diff_id} does not exist")
            await in_thread(twin, snapshots, layer, chains[number - 1] if number else None)
        return merged


async def _lies(build: Build, vertex: Vertex, base: Rootfs, upper: Rootfs) -> bool:
    there = build.deps.snapshots.layers()
    dest = _op(vertex).dest
    if not dest or base.chain not in there or upper.chain not in there:
        return True
    async with reading(build, base) as below, reading(build, upper) as above:
        return await in_thread(lies, above, below, dest)


async def _landed(build: Build, vertex: Vertex, base: Rootfs, upper: Rootfs) -> Rootfs:
    """A layer that depends on the base, in place of one that could be on any."""
    op = _op(vertex)
    async with reading(build, upper) as copied, worktree(build.deps, base) as tree:
        with opened_tree(copied) as there, opened_tree(tree.root) as here:
            landing = await in_thread(land, there, here, op.dest, op.name)
            await move(landing)
            await in_thread(landing.finish)
        return await tree.commit()


def _op(vertex: Vertex) -> Merge:
    assert isinstance(vertex.op, Merge)
    return vertex.op


def _parts(vertex: Vertex, inputs: Sequence[Result]) -> tuple[Rootfs, Rootfs]:
    op = _op(vertex)
    base = inputs[op.base] if op.base is not None else Rootfs()
    upper = inputs[op.upper]
    assert isinstance(base, Rootfs)
    assert isinstance(upper, Rootfs)
    return base, upper
