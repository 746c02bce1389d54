"""The build cache with real steps: what is run again, what is shared, what it has on disk."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.build.caching.gc import keep_below
from pier.build.caching.prune import Rules, prune, reclaimed
from pier.build.caching.usage import usage
from pier.build.graph import Graph, Mount
from pier.build.steps.cachemounts import folder_of
from pier.images.release import collect
from pier.linux.files import used_bytes
from pier.oci.image import chain_ids
from tests.system.build.cachehouse import House
from tests.unit.build.solver.workshop import Told

RANDOM = "head -c 8 /dev/urandom | od -x >/number"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "root")
    yield made
    made.remove()


MEETING = Mount("cache", "/c", id="meeting")


def until(path: str) -> str:
    return f"until test -e {path}; do sleep 0.02; done"


def one(house: House, script: str = RANDOM, *, uncached: bool = False) -> Graph:
    plan = house.plan()
    return plan.graph(plan.run(script, uncached=uncached))


async def test_a_step_is_run_once_and_survives_the_daemon(house: House) -> None:
    async with house.opened():
        first = await house.solve(one(house))
        assert await house.solve(one(house)) == first
    async with house.opened():
        build = house.begin()
        assert await house.solve(one(house), build) == first
        assert isinstance(build.progress, Told)
        assert build.progress.cached() == {f"RUN {RANDOM}", "FROM busybox"}
        assert await house.solve(one(house, uncached=True)) != first
        assert house.deps.snapshots.verify() == []


async def test_builds_at_the_same_time_share_a_step(house: House) -> None:
    async with house.opened():
        script = f"sleep 0.5; {RANDOM}; cat /number"
        builds = [house.begin(id) for id in ("one", "two", "three")]
        found = await asyncio.gather(*(house.solve(one(house, script), build) for build in builds))
        assert found[0] == found[1] == found[2]
        logs = [build.progress.log() for build in builds if isinstance(build.progress, Told)]
        assert logs[0] == logs[1] == logs[2] != []


async def test_one_of_two_builds_is_cancelled(house: House) -> None:
    async with house.opened():
        plan = house.plan()
        graph = plan.graph(plan.run(f"echo begun; {until('/c/go')}; {RANDOM}", mounts=(MEETING,)))
        first, second = house.begin("one"), house.begin("two")
        assert isinstance(first.progress, Told) and isinstance(second.progress, Told)
        leading = asyncio.ensure_future(house.solve(graph, first))
        await logged(first.progress)
        joining = asyncio.ensure_future(house.solve(graph, second))
        await logged(second.progress)
        leading.cancel()
        await asyncio.wait({leading})
        assert (leading.cancelled(), joining.done()) == (True, False)
        (folder_of(house.deps, MEETING.id) / "go").touch()
        assert await joining
        assert [data for _, data in second.progress.log()] == [b"begun\n"]


async def logged(told: Told) -> None:
    async with asyncio.timeout(60):
        while not told.log():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_independent_steps_run_at_the_same_time(house: House) -> None:
    """Each waits for the other."""
    async with house.opened():
        plan = house.plan()
        scripts = [f"touch /c/{mine}; {until(f'/c/{other}')}" for mine, other in ("ab", "ba")]
        await house.solve(plan.graph(*(plan.run(script, mounts=(MEETING,)) for script in scripts)))


async def test_an_unchanged_build_costs_next_to_nothing(house: House) -> None:
    async with house.opened():
        plan = house.plan()
        top = plan.start()
        for number in range(8):
            top = plan.run(f"echo {number} >/{number}", top)
        graph = plan.graph(top)
        await house.solve(graph)
        taken = []
        for _ in range(20):
            began = time.perf_counter()
            await house.solve(graph)
            taken.append(time.perf_counter() - began)
        assert min(taken) < 0.01


def application(house: House) -> Graph:
    """What every tutorial teaches: install first, then copy the source."""
    plan = house.plan()
    context = plan.context()
    top = plan.copy("package.json", "/app/", plan.start(), context)
    top = plan.run("cat /app/package.json >/installed; date +%s%N >>/installed", top)
    top = plan.copy(".", "/app/", top, context)
    return plan.graph(plan.run("ls /app >/built", top))


async def cached(house: House, graph: Graph) -> set[str]:
    build = house.begin()
    await house.solve(graph, build)
    assert isinstance(build.progress, Told)
    return {name.partition(" >")[0] for name in build.progress.cached()} - {"FROM busybox"}


async def test_what_was_installed_stays_while_the_source_changes(house: House) -> None:
    house.context.mkdir()
    (house.context / "package.json").write_text("{}")
    (house.context / "main.js").write_text("1")
    installed = {"COPY package.json /app/", "RUN cat /app/package.json"}
    async with house.opened():
        graph = application(house)
        assert await cached(house, graph) == set()
        assert await cached(house, graph) == {*installed, "COPY . /app/", "RUN ls /app"}
        (house.context / "main.js").write_text("2")
        assert await cached(house, graph) == installed
        os.utime(house.context / "main.js", ns=(1, 1))
        assert await cached(house, graph) == {*installed, "COPY . /app/", "RUN ls /app"}
        (house.context / "package.json").write_text("{ }")
        assert await cached(house, graph) == set()
        (house.context / "package.json").write_text("{}")
        (house.context / "main.js").write_text("1")
        assert await cached(house, graph) == {*installed, "COPY . /app/", "RUN ls /app"}


async def test_a_stage_may_lose_its_layers(house: House) -> None:
    async with house.opened():
        plan = house.plan()
        stage = plan.run("head -c 100000 /dev/urandom >/big; echo small >/small")
        graph = plan.graph(plan.copy("/small", "/small", plan.start(), stage))
        first = await house.solve(graph)
        big = next(entry for entry in usage(house.deps) if entry.size > 100_000)
        house.deps.held.evict(chain_ids(big.record.diff_ids)[-1])
        await collect(house.deps.images)
        assert await cached(house, graph) == {plan.vertices[stage].name.partition(" >")[0], "COPY /small /small"}
        assert await house.solve(graph) == first
        assert sum(entry.size for entry in usage(house.deps)) < 100_000


async def test_what_is_counted_is_what_is_on_disk(house: House) -> None:
    async with house.opened():
        plan = house.plan()
        below = plan.run("head -c 300000 /dev/urandom >/a")
        mount = Mount(type="cache", target="/cache", id="things")
        graph = plan.graph(plan.run("head -c 200000 /dev/urandom >/cache/b; echo c >/c", below, mounts=(mount,)))
        await house.solve(graph)
        entries = usage(house.deps)
        assert sum(entry.size for entry in entries) == own_bytes(house) + used_bytes(house.deps.root / "mounts")
        before = disk_bytes(house)
        removed = await prune(house.deps, Rules())
        await asyncio.to_thread(house.deps.snapshots.close)
        assert reclaimed(removed) == sum(entry.size for entry in entries) > 500_000
        assert before - disk_bytes(house) == reclaimed(removed)
        assert usage(house.deps) == []
        assert house.deps.snapshots.verify() == []


def own_bytes(house: House) -> int:
    """Of all layers but the image's."""
    return sum(
        used_bytes(layer.root)
        for chain, layer in house.deps.snapshots.layers().items()
        if chain not in house.busybox.chain_ids
    )


def disk_bytes(house: House) -> int:
    layers = [path / "diff" for path in (house.root / "overlay2").iterdir()]
    return sum(used_bytes(path) for path in layers) + used_bytes(house.root / "build")


async def test_the_ceiling(tmp_path: Path) -> None:
    house = House(tmp_path / "root", ("--build-cache-max", "1m"))
    try:
        async with house.opened():
            for number in range(5):
                await house.solve(one(house, f"head -c 400000 /dev/urandom >/{number}"))
            await keep_below(house.deps, measure=True)
            assert sum(entry.size for entry in usage(house.deps)) <= 1 << 20
            assert len(usage(house.deps)) == 2
    finally:
        house.remove()
