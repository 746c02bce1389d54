"""A solver with real layers and made-up steps: each writes a file, and what it does besides is in its words.

A step is an Exec whose ``args`` are words: ``write TEXT``; ``count`` (other contents each time); ``fail TEXT``;
``say TEXT`` (logs it). With ``gate NAME`` it waits until the test opens that gate. A Copy reads all of its inputs.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from pier.build.cache import CacheStore
from pier.build.context.files import Files
from pier.build.deps import Build, Deps, Settings
from pier.build.graph import (
    Copy,
    CopyItem,
    Exec,
    Graph,
    ImageSource,
    LocalSource,
    Op,
    Rootfs,
    Target,
    Vertex,
    VertexId,
    vertex_id,
)
from pier.build.ops.op import Absent, Result
from pier.build.progress import Event, LogPiece, VertexState
from pier.build.request import BuildRequest
from pier.build.session import Folder
from pier.build.solving.performers import Performers
from pier.build.solving.solver import solve
from pier.errors import Conflict
from pier.images.image import Image
from pier.oci.digest import Digest, sha256
from pier.oci.image import ExecutionConfig, ImageConfig, RootFS
from pier.oci.platform import Platform
from pier.testing.buildcache import MemoryCacheStore
from pier.testing.images import make_images
from pier.testing.snapshots import make_layer

AMD64 = Platform("amd64", "linux")


class Workshop:
    """Everything that builds share; ``ran`` counts executions by the step's words.

    With a ``cache`` of its own it has to be started as a daemon starts it.
    """

    def __init__(self, root: Path, cache: CacheStore | None = None, **settings: Any) -> None:
        self.images = make_images(root)
        nothing = cast(Any, None)
        folder = root / "build"
        folder.mkdir(exist_ok=True)
        self.deps = Deps(
            images=self.images,
            snapshots=self.images.snapshots,
            runtime=nothing,
            host=nothing,
            networks=nothing,
            registries=nothing,
            events=self.images.events,
            journal=self.images.journal,
            cache=cache or MemoryCacheStore(),
            root=folder,
            run=root / "run",
            settings=Settings(**settings),
        )
        if cache is None:
            self.images.holders.append(self.deps.held.__contains__)
        self.ran: Counter[str] = Counter()
        self.running = 0
        self.most = 0
        self.stopped: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.local: dict[str, str] = {}
        self.numbers = itertools.count()
        self.performers: Performers = {Exec: _Steps(self), Copy: _Copies(self), LocalSource: _Folders(self)}

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    def begin(self, id: str = "b1", **request: Any) -> Build:
        return Build(self.deps, BuildRequest(id=id, **request), cast(Any, None), Told())

    def image(self, *chains: Digest) -> Image:
        """An image of these layers, in the store."""
        layers = self.images.snapshots.layers()
        config = ImageConfig("amd64", "linux", rootfs=RootFS(diff_ids=[layers[chain].diff_id for chain in chains]))
        image = Image(sha256(repr(chains).encode()), config, chains, 0)
        self.images.store.put(image)
        return image

    async def solve(self, graph: Graph, build: Build | None = None) -> dict[str, Digest | None]:
        """Solve in a build of its own; the roots' chain IDs by the names of their vertices."""
        mine = build or self.begin()
        async with mine.lasting:
            found = await solve(mine, graph, self.performers)
            for rootfs in found.values():
                assert rootfs.chain is None or self.images.snapshots.layer(rootfs.chain)
        return {graph.vertices[id].name: rootfs.chain for id, rootfs in found.items()}

    async def evict(self, graph: Graph, build: Build, name: str) -> None:
        """Have the layers of one vertex gone."""
        rootfs = build.solved[named(graph, name)].result
        assert isinstance(rootfs, Rootfs) and rootfs.chain is not None
        self.deps.held.evict(rootfs.chain)
        self.images.snapshots.remove_layer(rootfs.chain)


class Told(list[Event]):
    """What a build told."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def state(self, name: str) -> VertexState:
        return [event for event in self if isinstance(event, VertexState) and event.name == name][-1]

    def cached(self) -> set[str]:
        newest = {event.name: event for event in self if isinstance(event, VertexState)}
        return {name for name, event in newest.items() if event.cached}

    def log(self) -> list[tuple[str, bytes]]:
        names = {event.id: event.name for event in self if isinstance(event, VertexState)}
        return [(names[event.vertex], event.data) for event in self if isinstance(event, LogPiece)]


class _Steps:
    def __init__(self, shop: Workshop) -> None:
        self.shop = shop

    async def key(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
        chains = [each.chain for each in inputs if isinstance(each, Rootfs)]
        return sha256(repr((vertex.op, chains)).encode())

    async def execute(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Result:
        assert isinstance(vertex.op, Exec)
        words = vertex.op.args
        shop = self.shop
        shop.ran[" ".join(words)] += 1
        shop.running += 1
        shop.most = max(shop.most, shop.running)
        try:
            return await self._do(build, vertex, inputs, words)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            shop.stopped.append(" ".join(words))
            raise
        finally:
            shop.running -= 1

    async def _do(self, build: Build, vertex: Vertex, inputs: Sequence[Result], words: tuple[str, ...]) -> Rootfs:
        text = words[1] if len(words) > 1 else words[0]
        if words[0] == "say":
            build.progress(LogPiece(vertex.id, 1, words[1].encode(), 1))
        if "gate" in words:
            await self.shop.gate(words[words.index("gate") + 1]).wait()
        if words[0] == "fail":
            raise Conflict(words[1])
        if words[0] == "say":
            build.progress(LogPiece(vertex.id, 1, b"done", 2))
        if words[0] == "count":
            text += str(next(self.shop.numbers))
        return layered(self.shop, inputs, text)


class _Copies(_Steps):
    """Its key is told by the contents of what it reads: here, by the chain ID, if the layers are there to be read."""

    async def key(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
        read: list[str] = []
        for index, each in enumerate(inputs):
            if isinstance(each, Files):
                read.append(each.folder.key)
            elif each.chain is not None:
                known = build.deps.cache.content(each.chain, "all")
                if known is None:
                    if each.chain not in build.deps.snapshots.layers():
                        raise Absent(index)
                    known = each.chain
                    build.deps.cache.remember(each.chain, "all", known, 1)
                read.append(known)
        return sha256(repr((vertex.op, read)).encode())

    async def execute(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Result:
        assert isinstance(vertex.op, Copy)
        self.shop.ran[vertex.op.dest] += 1
        if vertex.op.chown == "gate":
            await self.shop.gate("copy").wait()
        texts = [each.folder.key if isinstance(each, Files) else str(each.chain) for each in inputs]
        return layered(self.shop, [], vertex.op.dest + " ".join(texts))


class _Folders(_Steps):
    async def execute(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Result:
        assert isinstance(vertex.op, LocalSource)
        return Files(Folder(Path("/"), self.shop.local[vertex.op.name]))


def layered(shop: Workshop, inputs: Sequence[Result], text: str) -> Rootfs:
    base = next((each for each in inputs if isinstance(each, Rootfs)), Rootfs())
    layer = make_layer(shop.images.snapshots, base.chain, {"file": text})
    return Rootfs((*base.diff_ids, layer.diff_id))


class Drawing:
    """A graph in the making; vertices are named."""

    def __init__(self, *, uncached: bool = False) -> None:
        self.vertices: dict[VertexId, Vertex] = {}
        self.uncached = uncached

    def add(self, name: str, op: Op, *inputs: VertexId) -> VertexId:
        id = vertex_id(op, inputs, AMD64)
        self.vertices[id] = Vertex(id, op, inputs, name, AMD64, uncached=self.uncached)
        return id

    def run(self, name: str, words: str, base: VertexId | None = None, *others: VertexId) -> VertexId:
        inputs = (base, *others) if base is not None else others
        op = Exec(args=tuple(words.split()), base=0 if base is not None else None)
        return self.add(name, op, *inputs)

    def copy(self, name: str, *sources: VertexId, gated: bool = False) -> VertexId:
        items = tuple(CopyItem("/", input=index) for index in range(len(sources)))
        return self.add(name, Copy(items=items, dest=f"/{name}", chown="gate" if gated else ""), *sources)

    def local(self, name: str) -> VertexId:
        return self.add(name, LocalSource(name=name))

    def graph(self, *roots: VertexId) -> Graph:
        return Graph(dict(self.vertices), tuple(Target(AMD64, root, ExecutionConfig()) for root in roots))


def named(graph: Graph, name: str) -> VertexId:
    return next(id for id, vertex in graph.vertices.items() if vertex.name == name)


def line(*words: str, uncached: bool = False, base: Image | None = None) -> Graph:
    """Steps on top of each other, or of an image; each is named as its words."""
    drawing = Drawing(uncached=uncached)
    top: VertexId | None = None
    if base is not None:
        top = drawing.add("FROM", ImageSource(reference="x", image_id=base.id, diff_ids=tuple(base.diff_ids)))
    for each in words:
        top = drawing.run(each, each, top)
    assert top is not None
    return drawing.graph(top)


def copy_of(sources: int) -> Copy:
    """The same for everybody."""
    return Copy(items=tuple(CopyItem("/", input=index) for index in range(sources)), dest="/x")


async def turns(count: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await turns(1)
