"""COPY --link: the layers of one result on top of another's, whatever they lay on before."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from pier.build.deps import Build
from pier.build.graph import Merge, Rootfs, Vertex
from pier.build.ops.op import Result
from pier.build.threads import in_thread
from pier.errors import NotFound
from pier.oci.image import chain_ids
from pier.snapshots.twin import twin


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    base, upper = _parts(vertex, inputs)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(("merge", base.chain, upper.chain))).hexdigest()


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Rootfs:
    """Raises NoSpace."""
    snapshots = build.deps.snapshots
    base, upper = _parts(vertex, inputs)
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


def _parts(vertex: Vertex, inputs: Sequence[Result]) -> tuple[Rootfs, Rootfs]:
    op = vertex.op
    assert isinstance(op, Merge)
    base = inputs[op.base] if op.base is not None else Rootfs()
    upper = inputs[op.upper]
    assert isinstance(base, Rootfs)
    assert isinstance(upper, Rootfs)
    return base, upper
