"""FROM: the layers of a resolved image."""

from collections.abc import Sequence

from pier.build.deps import Build
from pier.build.graph import ImageSource, Rootfs, Vertex
from pier.build.ops.op import Result
from pier.errors import NotFound


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    """The layers say all: the same ones under another name are the same."""
    return str(_rootfs(vertex).chain or "scratch")


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Rootfs:
    """The image was brought when it was resolved. NotFound where it has been removed since."""
    rootfs = _rootfs(vertex)
    if rootfs.chain is not None and rootfs.chain not in build.deps.snapshots.layers():
        op = vertex.op
        assert isinstance(op, ImageSource)
        raise NotFound(f"No such image: {op.reference}")
    return rootfs


def _rootfs(vertex: Vertex) -> Rootfs:
    assert isinstance(vertex.op, ImageSource)
    return Rootfs(vertex.op.diff_ids)
