"""What the solver asks of an operation (contract)."""

from collections.abc import Sequence
from typing import Protocol

from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.graph import Rootfs, Vertex

Result = Rootfs | Files


class Performer(Protocol):
    """One for each type of :data:`pier.build.graph.Op`; without state. Each is a module with these two functions.

    ``inputs`` are the results of ``vertex.inputs``, in order.
    """

    async def key(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
        """The cache key: ``sha256:`` of all that the result depends on. Inputs' layers need not be there.

        Raises :class:`pier.build.ops.op.Absent` where a digest of an input's content is needed and its layers are not.
        """

    async def execute(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Result:
        """Do it. Inputs' layers are there, and pinned until this returns. What it logs goes to ``build.progress``."""


class Absent(Exception):
    """The layers of ``input`` must be made before the key can be told."""

    def __init__(self, input: int) -> None:
        super().__init__(input)
        self.input = input
