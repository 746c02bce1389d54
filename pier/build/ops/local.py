"""A folder of the client's: brought up to date, or read where it is, until the build ends."""

from collections.abc import Sequence

from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.graph import LocalSource, Vertex
from pier.build.ops.op import Result


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    """Of the folder itself; what a step reads of it is in the step's own key."""
    return vertex.id


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Files:
    """Raises NotFound where the client has no such folder."""
    op = vertex.op
    assert isinstance(op, LocalSource)
    folder = await build.lasting.enter_async_context(build.session.folder(op.name, op.paths, op.exclude))
    return Files(folder, op.exclude)
