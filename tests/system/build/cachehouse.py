"""A whole daemon in this process, without its sockets, to solve graphs of real steps."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pier.build.deps import Build, Deps
from pier.build.graph import (
    Copy,
    CopyItem,
    Exec,
    Graph,
    ImageSource,
    LocalSource,
    Mount,
    Rootfs,
    Target,
    Vertex,
    VertexId,
    vertex_id,
)
from pier.build.request import BuildRequest
from pier.build.solving.solver import solve
from pier.daemon.config import load
from pier.daemon.wiring import Daemon, wire
from pier.images.bootstrap import bootstrap
from pier.images.deps import ignore_progress
from pier.images.image import Image
from pier.linux.trees import remove_tree
from pier.oci.image import ExecutionConfig
from pier.oci.platform import host_platform
from pier.testing.exports import Client
from tests.unit.build.solver.workshop import Told

ENV = ("PATH=/bin:/usr/bin:/sbin:/usr/sbin",)


class House:
    """``opened`` starts over ``root``, as often as it is asked; ``busybox`` is there."""

    def __init__(self, root: Path, flags: tuple[str, ...] = ()) -> None:
        self.unique = os.urandom(3).hex()
        self.root = root
        self.run = Path(f"/run/pier-test-{self.unique}")
        self.context = root.with_name("context")
        self._flags = flags
        self.busybox: Image
        self.deps: Deps

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["House"]:
        os.makedirs(self.run, exist_ok=True)
        os.makedirs(self.root, exist_ok=True)
        own = ["--data-root", str(self.root), "--exec-root", str(self.run), "--bridge", "none"]
        daemon: Daemon = await wire(load([*own, *self._flags], {}))
        await daemon.start()
        self.deps = daemon.services.builds
        try:
            self.busybox = await bootstrap(self.deps.images, "busybox", ignore_progress)
            yield self
        finally:
            await daemon.stop()

    def remove(self) -> None:
        remove_tree(self.root)
        remove_tree(self.run)

    def begin(self, id: str = "b1", **request: Any) -> Build:
        client = Client()
        client.folders["context"] = self.context
        return Build(self.deps, BuildRequest(id=id, **request), client, Told())

    async def solve(self, graph: Graph, build: Build | None = None) -> list[Rootfs]:
        """The targets' root file systems, from a build of its own."""
        mine = build or self.begin()
        async with mine.lasting:
            return [*(await solve(mine, graph)).values()]

    def plan(self) -> "Plan":
        return Plan(self.busybox)


class Plan:
    """A graph in the making, on top of an image."""

    def __init__(self, image: Image) -> None:
        self.vertices: dict[VertexId, Vertex] = {}
        self.image = image

    def start(self) -> VertexId:
        source = ImageSource(reference="busybox", image_id=self.image.id, diff_ids=tuple(self.image.diff_ids))
        return self._add("FROM busybox", source)

    def run(self, script: str, *inputs: VertexId, mounts: tuple[Mount, ...] = (), uncached: bool = False) -> VertexId:
        op = Exec(args=("/bin/sh", "-c", script), base=0, env=ENV, network="none", mounts=mounts)
        return self._add(f"RUN {script}", op, *(inputs or (self.start(),)), uncached=uncached)

    def context(self) -> VertexId:
        return self._add("context", LocalSource(name="context"))

    def copy(self, path: str, dest: str, base: VertexId, source: VertexId) -> VertexId:
        op = Copy(items=(CopyItem(path, input=1),), dest=dest, base=0)
        return self._add(f"COPY {path} {dest}", op, base, source)

    def _add(self, name: str, op: Any, *inputs: VertexId, uncached: bool = False) -> VertexId:
        platform = host_platform()
        id = vertex_id(op, inputs, platform)
        self.vertices[id] = Vertex(id, op, inputs, name, platform, uncached=uncached)
        return id

    def graph(self, *roots: VertexId) -> Graph:
        return Graph(dict(self.vertices), tuple(Target(host_platform(), root, ExecutionConfig()) for root in roots))
