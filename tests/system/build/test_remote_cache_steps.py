"""Results and caches of real steps, on two machines."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.build.export.export import Exported, export
from pier.build.graph import Graph, Mkdir, Mount, Target, Vertex, VertexId, vertex_id
from pier.build.request import CacheSpec
from pier.build.solving.solver import solve
from pier.images.lookup import find
from pier.oci.image import ExecutionConfig, HistoryEntry
from pier.oci.platform import host_platform
from pier.testing.exports import Client
from tests.system.build.cachehouse import House, Plan
from tests.unit.build.solver.workshop import Told

OLD = HistoryEntry("2020-01-01T00:00:00Z", "base")
PIP = Mount(type="cache", target="/root/.cache/pip", id="/root/.cache/pip")


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[tuple[House, House]]:
    made = (House(tmp_path / "one"), House(tmp_path / "two"))
    yield made
    for house in made:
        house.remove()


def target(plan: Plan, root: VertexId, steps: int) -> Graph:
    """The image of ``root``, which has so many layers on top of the base."""
    new = (HistoryEntry(created_by="RUN") for _ in range(steps))
    made = Target(host_platform(), root, ExecutionConfig(cmd=["sh"]), (OLD, *new))
    return Graph(dict(plan.vertices), (made,))


def workdir(plan: Plan, path: str) -> VertexId:
    op, inputs = Mkdir(path=path, base=0), (plan.start(),)
    id = vertex_id(op, inputs, host_platform())
    plan.vertices[id] = Vertex(id, op, inputs, f"WORKDIR {path}", host_platform())
    return id


async def built(house: House, graph: Graph, client: Client, **request: Any) -> tuple[Exported, set[str]]:
    """What came out, and which steps were cached."""
    begun = house.begin(**request)
    build = type(begun)(begun.deps, begun.request, client, Told())
    async with build.lasting:
        exported = await export(build, graph, await solve(build, graph))
    assert isinstance(build.progress, Told)
    return exported, build.progress.cached()


async def test_an_epoch_gives_the_same_image_on_two_machines(houses: tuple[House, House]) -> None:
    found: list[Exported] = []
    for house in houses:
        async with house.opened():
            plan = house.plan()
            made = workdir(plan, "/work/app")
            top = plan.run("mkdir -p /d/e && echo text >/d/e/file && ln /d/e/file /d/link && rm -r /tmp", made)
            exported, _ = await built(house, target(plan, top, 2), Client(), source_date_epoch=1_700_000_000)
            found.append(exported)
            assert find(house.deps.images, exported.images[0]).created == "2023-11-14T22:13:20Z"
    assert found[0].images == found[1].images


async def test_a_folder_brings_layers_and_cache_mounts(houses: tuple[House, House], tmp_path: Path) -> None:
    first, second = houses
    client = Client()
    script = "echo wheel >/root/.cache/pip/wheel && echo made >/made"
    async with first.opened():
        plan = first.plan()
        graph = target(plan, plan.run(script, mounts=(PIP,)), 1)
        spec = CacheSpec("local", {"dest": "x", "mode": "max", "mounts": "true"})
        exported, cached = await built(first, graph, client, tags=("app",), cache_to=(spec,))
        assert cached == {"FROM busybox"}
    with tarfile.open(fileobj=io.BytesIO(client.tars[0])) as archive:
        archive.extractall(tmp_path / "cache")
    client.folders["cache:0"] = tmp_path / "cache"
    source = (CacheSpec("local", {"src": "x"}),)
    async with second.opened():
        again, cached = await built(second, graph, client, cache_from=source)
        assert (again.images, cached) == (exported.images, {"FROM busybox", f"RUN {script}"})
        plan = second.plan()
        other = plan.run("cp /root/.cache/pip/wheel /found", plan.run(script, mounts=(PIP,)), mounts=(PIP,))
        exported, _ = await built(second, target(plan, other, 2), client, cache_from=source)
        chain = find(second.deps.images, exported.images[0]).chain_ids[-1]
        assert (second.deps.snapshots.layer(chain).root / "found").read_text() == "wheel\n"
        assert second.deps.snapshots.verify() == []
