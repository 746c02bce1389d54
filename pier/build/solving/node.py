"""A vertex while it is solved."""

import asyncio
from typing import TypeVar

from pier.build.deps import Build
from pier.build.graph import Vertex
from pier.build.ops.op import Result
from pier.build.solving.outcome import Solved
from pier.build.solving.told import Told

T = TypeVar("T")


class Node:
    """``known`` and ``present`` are answered once, or stay open where the build fails.

    ``wanted``: somebody needs it present. ``tasks``: what works on it.
    """

    def __init__(self, vertex: Vertex, inputs: list["Node"], build: Build) -> None:
        self.vertex = vertex
        self.inputs = inputs
        self._build = build
        self._open()

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self.known: asyncio.Future[Solved] = loop.create_future()
        self.present: asyncio.Future[Result] = loop.create_future()
        self.tasks: list[asyncio.Task[None]] = []
        self.wanted = False
        self.told = Told(self._build.progress, self.vertex)

    def begin_anew(self) -> None:
        """Stop what works on it, and open both questions again."""
        self.told.mute()
        for task in self.tasks:
            task.cancel()
        self._build.solved.pop(self.vertex.id, None)
        self._open()

    def is_now(self, solved: Solved) -> None:
        """It is known."""
        self._build.solved[self.vertex.id] = solved
        if self.known.done():
            self.known = asyncio.get_running_loop().create_future()
        self.known.set_result(solved)


async def answer(question: asyncio.Future[T]) -> T:
    """Wait for it; whoever is cancelled while waiting does not cancel it for others."""
    return question.result() if question.done() else await asyncio.shield(question)
