"""Builds that need the same step at the same time."""

import asyncio
from typing import Any

import pytest

from pier.build.deps import Build
from pier.build.graph import Graph
from pier.build.request import Limits
from pier.errors import Cancelled, Conflict, Forbidden, NotFound, PierError
from tests.unit.build.solver.workshop import Drawing, Told, Workshop, copy_of, line, named, turns

STEP = "say hello gate g"


def start(shop: Workshop, graph: Graph, id: str) -> tuple["asyncio.Future[Any]", Build, Told]:
    build = shop.begin(id)
    assert isinstance(build.progress, Told)
    return asyncio.ensure_future(shop.solve(graph, build)), build, build.progress


async def test_two_builds_share_a_step_and_its_log(shop: Workshop) -> None:
    one, _, told = start(shop, line(STEP), "one")
    await turns()
    two, _, late = start(shop, line(STEP), "two")
    await turns()
    shop.gate("g").set()
    assert await one == await two
    assert shop.ran == {STEP: 1}
    assert told.log() == late.log() == [(STEP, b"hello"), (STEP, b"done")]
    assert late.state(STEP).completed > late.state(STEP).started == told.state(STEP).started > 0


async def test_the_log_bears_the_names_of_each_build(shop: Workshop) -> None:
    """The same step can be another vertex elsewhere: its inputs are told differently, their contents are the same."""
    shop.local = {"here": "same", "there": "same"}
    graphs = []
    for name in ("here", "there"):
        drawing = Drawing()
        source = drawing.add("copied", (Drawing().vertices and None) or copy_of(1), drawing.local(name))
        graphs.append(drawing.graph(drawing.run(f"step of {name}", STEP, source)))
    one, _, told = start(shop, graphs[0], "one")
    await turns(40)
    two, _, late = start(shop, graphs[1], "two")
    await turns(40)
    shop.gate("g").set()
    await asyncio.gather(one, two)
    assert shop.ran[STEP] == 1
    assert {name for name, _ in told.log()} == {"step of here"}
    assert {name for name, _ in late.log()} == {"step of there"}


@pytest.mark.parametrize("leader", [True, False])
async def test_one_build_may_go(shop: Workshop, leader: bool) -> None:
    first, _, _ = start(shop, line(STEP), "one")
    await turns()
    second, _, late = start(shop, line(STEP), "two")
    await turns()
    leaving, staying = (first, second) if leader else (second, first)
    leaving.cancel()
    await turns()
    assert (leaving.cancelled(), shop.running, shop.stopped) == (True, 1, [])
    shop.gate("g").set()
    assert await staying
    assert shop.ran == {STEP: 1}
    if leader:
        assert late.log() == [(STEP, b"hello"), (STEP, b"done")]


async def test_the_last_takes_the_step_along(shop: Workshop) -> None:
    builds = [start(shop, line(STEP), id)[0] for id in ("one", "two")]
    await turns()
    for build in builds:
        build.cancel()
    await asyncio.wait(builds)
    assert (shop.running, shop.stopped) == (0, [STEP])
    assert not shop.images.pins._held


async def test_a_failure_is_everybodys(shop: Workshop) -> None:
    graph = line("fail no gate g")
    builds = [start(shop, graph, id) for id in ("one", "two")]
    await turns()
    shop.gate("g").set()
    for solving, _, told in builds:
        with pytest.raises(Conflict, match="no"):
            await solving
        assert told.state("fail no gate g").error == "no"
    assert sum(shop.ran.values()) == 1


@pytest.mark.parametrize("kind", [Cancelled, Forbidden, NotFound])
async def test_who_joined_does_not_share_the_leaders_end(shop: Workshop, kind: type[PierError]) -> None:
    """What fails because the leader's client has gone, or lacks a secret, is run again by the next."""
    steps = shop.performers[type(line(STEP).vertices[named(line(STEP), STEP)].op)]
    begun = asyncio.Event()
    go_on = asyncio.Event()

    class FirstClientGoes:
        key = steps.key

        async def execute(self, build: Build, vertex: Any, inputs: Any) -> Any:
            if build.request.id == "one":
                begun.set()
                await go_on.wait()
                raise kind("the client went away")
            return await steps.execute(build, vertex, inputs)

    shop.performers = {**shop.performers, type(line(STEP).vertices[named(line(STEP), STEP)].op): FirstClientGoes()}
    shop.gate("g").set()
    first, _, _ = start(shop, line(STEP), "one")
    await begun.wait()
    second, _, _ = start(shop, line(STEP), "two")
    await turns()
    go_on.set()
    with pytest.raises(kind):
        await first
    assert await second
    assert shop.ran == {STEP: 1}


async def test_what_reads_the_leaders_folder_ends_with_it(shop: Workshop) -> None:
    shop.local = {"context": "c"}
    drawing = Drawing()
    graph = drawing.graph(drawing.copy("copy", drawing.local("context"), gated=True))
    first, _, _ = start(shop, graph, "one")
    await turns(40)
    second, _, _ = start(shop, graph, "two")
    await turns(40)
    first.cancel()
    await turns(40)
    assert shop.ran == {"/copy": 2}
    shop.gate("copy").set()
    assert await second


async def test_equal_steps_of_one_build_run_once(shop: Workshop) -> None:
    shop.local = {"a": "same", "b": "same"}
    drawing = Drawing(uncached=True)
    ends = [drawing.run(f"end {name}", STEP, drawing.add(name, copy_of(1), drawing.local(name))) for name in "ab"]
    shop.gate("g").set()
    build = shop.begin()
    await shop.solve(drawing.graph(*ends), build)
    assert shop.ran[STEP] == shop.ran["/x"] == 1
    assert isinstance(build.progress, Told)
    assert [data for _, data in build.progress.log()] == [b"hello", b"done"]


async def test_who_wants_no_cache_does_not_join_what_began_before(shop: Workshop) -> None:
    first, _, _ = start(shop, line(STEP), "one")
    await turns()
    second, _, _ = start(shop, line(STEP, uncached=True), "two")
    await turns()
    assert shop.ran == {STEP: 2}
    shop.gate("g").set()
    await asyncio.gather(first, second)


async def test_other_limits_make_another_run(shop: Workshop) -> None:
    limited = shop.begin("two", limits=Limits(memory=1 << 20))
    first, _, _ = start(shop, line(STEP), "one")
    second = asyncio.ensure_future(shop.solve(line(STEP), limited))
    await turns()
    assert shop.ran == {STEP: 2}
    shop.gate("g").set()
    assert await first == await second


async def test_when_the_daemon_stops_everybody_is_told(shop: Workshop) -> None:
    builds = [start(shop, line(STEP, "write b"), id)[0] for id in ("one", "two")]
    await turns()
    await shop.deps.flights.close()
    for build in builds:
        with pytest.raises(Cancelled):
            await build
    assert shop.running == 0
