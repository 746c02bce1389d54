"""From a graph to root file systems: every vertex as soon as its inputs are known, and no more work than is needed.

A vertex is *known* when its result is: found in the cache by its key, or made. It is *present* when the layers of its
result are in the snapshotter, too. Only what must be read or exported has to be present: layers that were evicted are
made again then, by running the step again. If that gives other layers, everything that follows is begun anew.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

from pier.build.cache import CacheRecord
from pier.build.caching import gc
from pier.build.deps import Build
from pier.build.graph import Exec, Graph, ImageSource, Rootfs, Vertex, VertexId
from pier.build.ops.op import Absent, Result
from pier.build.remotecache.importing import RemoteCache, importers
from pier.build.solving.flight import Listener
from pier.build.solving.node import Node, answer
from pier.build.solving.outcome import Solved
from pier.build.solving.performers import PERFORMERS, Performers
from pier.build.solving.pinning import Pinning
from pier.build.solving.step import SOURCES, Step, run_step
from pier.build.solving.told import Told, telling_failures
from pier.errors import Internal
from pier.linux.files import path_errors


async def solve(build: Build, graph: Graph, performers: Performers = PERFORMERS) -> dict[VertexId, Rootfs]:
    """The root file systems of the targets, their layers present until ``build.lasting`` is closed.

    Raises what the first operation that failed raised; the others are cancelled then.
    """
    roots = list(dict.fromkeys(target.root for target in graph.targets if target.root is not None))
    solving = _Solving(build, graph, graph.vertices, performers)
    solving.announce()
    await gc.keep_below(build.deps, measure=True)
    await solving.run(roots)
    return {root: _rootfs(build, graph.vertices[root]) for root in roots}


async def materialize(build: Build, graph: Graph, vertex: VertexId, performers: Performers = PERFORMERS) -> Rootfs:
    """The root file system of a vertex of a solved graph, its layers present until ``build.lasting`` is closed."""
    solving = _Solving(build, graph, ancestry(graph, vertex), performers)
    await solving.run([vertex])
    return _rootfs(build, graph.vertices[vertex])


def ancestry(graph: Graph, vertex: VertexId) -> list[VertexId]:
    """The vertex and all that it needs, inputs first."""
    needed = {vertex}
    for id in reversed(graph.vertices):
        if id in needed:
            needed.update(graph.vertices[id].inputs)
    return [id for id in graph.vertices if id in needed]


def _rootfs(build: Build, vertex: Vertex) -> Rootfs:
    result = build.solved[vertex.id].result
    if not isinstance(result, Rootfs):
        raise Internal(f"{vertex.name} has no root file system")
    return result


def _fills_folders(vertex: Vertex) -> bool:
    """Whether the step may have made a folder of the cache larger."""
    return isinstance(vertex.op, Exec) and any(mount.type == "cache" for mount in vertex.op.mounts)


class _Solving:
    def __init__(self, build: Build, graph: Graph, ids: Iterable[VertexId], performers: Performers) -> None:
        self._build = build
        self._performers = performers
        self._nodes: dict[VertexId, Node] = {}
        for id in ids:
            vertex = graph.vertices[id]
            self._nodes[id] = Node(vertex, [self._nodes[each] for each in vertex.inputs], build)
        self._group = asyncio.TaskGroup()
        self._pinning = Pinning(build)
        self._roots: frozenset[VertexId] = frozenset()
        self._remote: RemoteCache | None = None
        self._used: dict[str, None] = {}
        self._ran: dict[str, Rootfs] = {}
        self._logged: set[str] = set()

    def announce(self) -> None:
        for node in self._nodes.values():
            node.told.announced()

    async def run(self, roots: Sequence[VertexId]) -> None:
        """Have all vertices known, and ``roots`` present."""
        self._roots = frozenset(roots)
        if self._build.request.cache_from or self._build.request.cache_to:
            self._remote = await importers(self._build)
        try:
            async with self._group:
                for node in self._nodes.values():
                    self._begin(node)
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
            raise first from first.__cause__
        finally:
            self._build.deps.cache.touch(self._used, time.time_ns())

    def _begin(self, node: Node) -> None:
        solved = self._build.solved.get(node.vertex.id)
        if solved is not None:
            node.is_now(solved)
        else:
            node.tasks.append(self._group.create_task(self._know(node)))
        if node.vertex.id in self._roots:
            self._want(node)

    async def _know(self, node: Node) -> None:
        inputs = [(await answer(each.known)).result for each in node.inputs]
        vertex, told = node.vertex, node.told
        with telling_failures(told, self._build.failed, vertex):
            if isinstance(vertex.op, ImageSource):
                solved = self._image(vertex.op, told)
            elif isinstance(vertex.op, SOURCES):
                solved = await self._source(vertex, inputs, told)
            else:
                solved = await self._step(node, inputs)
        node.is_now(solved)

    def _image(self, op: ImageSource, told: Told) -> Solved:
        rootfs = Rootfs(op.diff_ids)
        self._pinning.pin(rootfs)
        told.completed(cached=True)
        return Solved(op.image_id, rootfs, cached=True)

    async def _source(self, vertex: Vertex, inputs: Sequence[Result], told: Told) -> Solved:
        told.started()
        with path_errors():
            result = await self._performers[type(vertex.op)].execute(self._build, vertex, inputs)
        told.completed()
        return Solved(vertex.id, result)

    async def _step(self, node: Node, inputs: Sequence[Result]) -> Solved:
        key = await self._key(node, inputs)
        found = self._find(node.vertex, key)
        if found is None:
            return Solved(key, await self._execute(node, key))
        self._pinning.pin(found)
        node.told.completed(cached=True)
        return Solved(key, found, cached=True)

    async def _key(self, node: Node, inputs: Sequence[Result]) -> str:
        while True:
            try:
                with path_errors():
                    return await self._performers[type(node.vertex.op)].key(self._build, node.vertex, inputs)
            except Absent as absent:
                input = node.inputs[absent.input]
                self._want(input)
                inputs = [*inputs[: absent.input], await answer(input.present), *inputs[absent.input + 1 :]]

    def _find(self, vertex: Vertex, key: str) -> Rootfs | None:
        """What the cache, or this very build, knows of ``key``."""
        if vertex.uncached:
            return self._ran.get(key)
        found = self._build.deps.cache.get(key)
        if found is None or not self._pinning.there(Rootfs(found.diff_ids)):
            found = self._import(key) or found
        if found is None:
            return None
        self._used[key] = None
        return Rootfs(found.diff_ids)

    def _import(self, key: str) -> CacheRecord | None:
        """What another machine's cache knows of ``key``."""
        found = self._remote.record(key) if self._remote is not None else None
        if found is not None:
            self._build.deps.cache.put(found)
            self._build.deps.held.add(found)
        return found

    async def _execute(self, node: Node, key: str) -> Rootfs:
        for each in node.inputs:
            self._want(each)
        inputs = [await answer(each.present) for each in node.inputs]
        step = Step(node.vertex, self._performers[type(node.vertex.op)], key, inputs, self._parents(node))
        rootfs = await run_step(self._build, step, self._listener(node, key))
        self._pinning.pin(rootfs)
        self._ran[key] = rootfs
        self._used[key] = None
        node.told.completed()
        await gc.keep_below(self._build.deps, measure=_fills_folders(node.vertex))
        return rootfs

    def _parents(self, node: Node) -> tuple[str, ...]:
        """The records that its inputs come from."""
        made = [each.vertex for each in node.inputs if not isinstance(each.vertex.op, (ImageSource, *SOURCES))]
        return tuple(self._build.solved[vertex.id].key for vertex in made)

    def _listener(self, node: Node, key: str) -> Listener:
        """Equal vertices of one build share one log."""
        logs = key not in self._logged
        self._logged.add(key)
        return Listener(node.vertex.id, node.told.started, self._build.progress if logs else None)

    def _want(self, node: Node) -> None:
        if not node.wanted:
            node.wanted = True
            node.tasks.append(self._group.create_task(self._be_present(node)))

    async def _be_present(self, node: Node) -> None:
        solved = await answer(node.known)
        result = solved.result
        if isinstance(result, Rootfs) and not self._pinning.pin(result):
            with telling_failures(node.told, self._build.failed, node.vertex):
                result = await self._bring(node, solved.key, result)
            self._pinning.pin(result)
        node.present.set_result(result)
        if result != solved.result:
            self._changed(node, Solved(solved.key, result))

    async def _bring(self, node: Node, key: str, rootfs: Rootfs) -> Rootfs:
        """The layers that the cache has lost: from where it was imported, or by running the step again."""
        if isinstance(node.vertex.op, ImageSource):
            solved = await self._source(node.vertex, (), node.told)
            assert isinstance(solved.result, Rootfs)
            return solved.result
        if self._remote is not None and await self._remote.materialize(rootfs.diff_ids):
            return rootfs
        return await self._execute(node, key)

    def _changed(self, node: Node, solved: Solved) -> None:
        """``node`` turned out to be ``solved``: what follows it is solved anew."""
        node.is_now(solved)
        changed = {node}
        for each in self._nodes.values():
            if not changed.isdisjoint(each.inputs):
                changed.add(each)
                each.begin_anew()
        for each in self._nodes.values():
            if each in changed and each is not node:
                self._begin(each)
