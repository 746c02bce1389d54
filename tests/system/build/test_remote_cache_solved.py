"""Two machines and one cache: what one has built, the other finds, step by step, without building or fetching it."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pier.build.deps import Build
from pier.build.export.export import Exported, export
from pier.build.graph import Copy, CopyItem, Exec, Graph, Op, Rootfs, Target, Vertex, VertexId, vertex_id
from pier.build.ops.op import Absent, Result
from pier.build.progress import VertexState
from pier.build.remotecache.importing import imported
from pier.build.request import CacheSpec, Output
from pier.build.solving.performers import Performers
from pier.build.solving.solver import solve
from pier.images.release import collect
from pier.oci.digest import sha256
from pier.oci.image import ExecutionConfig, HistoryEntry
from pier.testing.exports import AMD64, Machine
from pier.testing.images import layer_tar
from pier.testing.registry import Distribution, distribution


class Steps:
    """A RUN writes a file with its words; a COPY --from copies all that the last layer of its source has."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ran: Counter[str] = Counter()

    async def key(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
        parts: list[str] = [repr(vertex.op)]
        for index, each in enumerate(inputs):
            assert isinstance(each, Rootfs) and each.chain is not None
            if isinstance(vertex.op, Copy) and index:
                known = build.deps.cache.content(each.chain, "/")
                if known is None and each.chain not in build.deps.snapshots.layers():
                    raise Absent(index)
                if known is None:
                    known = sha256(f"contents of {each.chain}".encode())
                    build.deps.cache.remember(each.chain, "/", known, 1)
                parts.append(known)
            else:
                parts.append(each.chain)
        return sha256("\n".join(parts).encode())

    async def execute(self, build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Result:
        self.ran[vertex.name] += 1
        below = inputs[0].diff_ids if inputs and isinstance(inputs[0], Rootfs) else ()
        return Rootfs(await self.machine.layer(below, layer_tar(**{vertex.name.replace(" ", "-"): b"done" * 1000})))


def add(vertices: dict[VertexId, Vertex], name: str, op: Op, *inputs: VertexId) -> VertexId:
    id = vertex_id(op, inputs, AMD64)
    vertices[id] = Vertex(id, op, inputs, name, AMD64)
    return id


def app(last: str = "run") -> Graph:
    """Two stages: one compiles, the other copies from it and runs something."""
    vertices: dict[VertexId, Vertex] = {}
    tools = add(vertices, "tools", Exec(args=("tools",)))
    compiled = add(vertices, "compile", Exec(args=("compile",), base=0), tools)
    base = add(vertices, "base", Exec(args=("base",)))
    copied = add(vertices, "copy", Copy(items=(CopyItem("/", 1),), dest="/", base=0), base, compiled)
    top = add(vertices, last, Exec(args=(last,), base=0), copied)
    history = tuple(HistoryEntry(created_by=text) for text in ("base", "copy", last))
    return Graph(vertices, (Target(AMD64, top, ExecutionConfig(cmd=["app"]), history),))


@asynccontextmanager
async def machine_in(folder: Path) -> AsyncIterator[tuple[Machine, Steps]]:
    async with Machine(folder) as machine:
        yield machine, Steps(machine)


async def build(place: tuple[Machine, Steps], graph: Graph, **request: object) -> tuple[Exported, set[str]]:
    """The result, and what was cached."""
    machine, steps = place
    machine.told.clear()
    performers: Performers = {Exec: steps, Copy: steps}
    made = machine.build(**request)
    async with made.lasting:
        exported = await export(made, graph, await solve(made, graph, performers))
    assert imported(made) is None, "a build that has ended leaves nothing in memory"
    newest = {event.name: event for event in machine.told if isinstance(event, VertexState)}
    return exported, {name for name, event in newest.items() if event.cached}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path) as running:
        yield running


@pytest.mark.parametrize("mode", ["min", "max", "inline"])
async def test_another_machine_has_it_all_cached(tmp_path: Path, registry: Distribution, mode: str) -> None:
    ref = f"{registry.host}/app:1"
    outputs = (Output("image", {"name": ref, "push": str(mode == "inline")}),)
    to = CacheSpec("inline") if mode == "inline" else CacheSpec("registry", {"ref": ref, "mode": mode})
    source = (CacheSpec("registry", {"ref": ref}),)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(machine_in(tmp_path / "one"))
        two = await stack.enter_async_context(machine_in(tmp_path / "two"))
        first, _ = await build(one, app(), outputs=outputs, cache_to=(to,))
        caches = (to,) if mode == "inline" else ()
        second, cached = await build(two, app(), outputs=(Output("image"),), cache_from=source, cache_to=caches)
        assert cached == {"tools", "compile", "base", "copy", "run"}
        assert two[1].ran == {}
        assert second.images == first.images
        assert len(two[0].images.snapshots.layers()) == 3, "what only builds needed did not come"


async def test_what_came_is_the_caches_own(tmp_path: Path, registry: Distribution) -> None:
    """The layers stay when the image is gone, and the next build needs no registry."""
    spec = CacheSpec("registry", {"ref": f"{registry.host}/cache:1"})
    async with machine_in(tmp_path / "one") as one, machine_in(tmp_path / "two") as two:
        first, _ = await build(one, app(), cache_to=(spec,))
        await build(two, app(), cache_from=(spec,), outputs=(Output("image", {"store": "false"}),))
        await collect(two[0].images)
        second, cached = await build(two, app())
        assert (len(cached), two[1].ran, second.images) == (5, {}, first.images)


async def test_only_what_differs_is_run(tmp_path: Path, registry: Distribution) -> None:
    spec = CacheSpec("registry", {"ref": f"{registry.host}/cache:1", "mode": "max"})
    async with machine_in(tmp_path / "one") as one, machine_in(tmp_path / "two") as two:
        await build(one, app(), cache_to=(spec,))
        _, cached = await build(two, app("other"), cache_from=(spec,))
        assert cached == {"tools", "compile", "base", "copy"}
        assert two[1].ran == {"other": 1}


async def test_blobs_that_went_are_made_again(tmp_path: Path, registry: Distribution) -> None:
    spec = CacheSpec("registry", {"ref": f"{registry.host}/cache:1", "mode": "max"})
    async with machine_in(tmp_path / "one") as one, machine_in(tmp_path / "two") as two:
        await build(one, app(), cache_to=(spec,))
        for blob in registry.storage.glob("docker/registry/v2/blobs/sha256/*/*/data"):
            if blob.read_bytes().startswith(b"\x1f\x8b"):
                blob.unlink()
        await build(two, app(), cache_from=(spec,))
        assert set(two[1].ran) == {"base", "copy", "run", "tools", "compile"}
