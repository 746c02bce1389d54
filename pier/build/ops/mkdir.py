"""WORKDIR: a folder, and those above it, where they are missing. Root's, mode 0755."""

import hashlib
from collections.abc import Sequence

import msgspec

from pier.build.deps import Build
from pier.build.graph import Mkdir, Rootfs, Vertex
from pier.build.ops.op import Result
from pier.build.threads import in_thread
from pier.build.worktree import worktree
from pier.linux.files import make_folder


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    op, base = _parts(vertex, inputs)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(("mkdir", op, base.chain))).hexdigest()


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Rootfs:
    """Raises InvalidArgument where a file is in the way."""
    op, base = _parts(vertex, inputs)
    async with worktree(build.deps, base) as tree:
        await in_thread(make_folder, tree.root, op.path)
        return await tree.commit()


def _parts(vertex: Vertex, inputs: Sequence[Result]) -> tuple[Mkdir, Rootfs]:
    op = vertex.op
    assert isinstance(op, Mkdir)
    base = inputs[op.base] if op.base is not None else Rootfs()
    assert isinstance(base, Rootfs)
    return op, base
