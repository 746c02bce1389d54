"""What the solver runs, what it leaves, and what it tells."""

import asyncio

import pytest

from pier.build.graph import Graph
from pier.build.progress import VertexState
from pier.build.solving.solver import materialize, solve
from pier.errors import Conflict
from tests.unit.build.solver.workshop import Drawing, Told, Workshop, line, named, until


async def test_steps_lie_on_each_other(shop: Workshop) -> None:
    found = await shop.solve(line("write a", "write b"))
    layers = shop.images.snapshots.layers()
    top = found["write b"]
    assert top is not None
    assert layers[top].parent in layers
    assert shop.images.snapshots.verify() == []


async def test_a_second_build_runs_nothing(shop: Workshop) -> None:
    graph = line("write a", "write b", "write c")
    first = await shop.solve(graph)
    build = shop.begin()
    assert await shop.solve(graph, build) == first
    assert set(shop.ran.values()) == {1}
    assert isinstance(build.progress, Told)
    assert build.progress.cached() == {"write a", "write b", "write c"}
    assert {record.uses for record in shop.deps.cache.list()} == {2}


async def test_what_follows_a_changed_step_runs_again(shop: Workshop) -> None:
    await shop.solve(line("write a", "write b", "write c"))
    await shop.solve(line("write a", "write x", "write c"))
    assert shop.ran == {"write a": 1, "write b": 1, "write x": 1, "write c": 2}


async def test_without_the_cache_steps_run_and_are_recorded(shop: Workshop) -> None:
    await shop.solve(line("count a"))
    fresh = await shop.solve(line("count a", uncached=True))
    assert shop.ran == {"count a": 2}
    assert await shop.solve(line("count a")) == fresh
    assert shop.ran == {"count a": 2}


async def test_independent_steps_run_side_by_side_within_bounds(shop: Workshop) -> None:
    drawing = Drawing()
    steps = [drawing.run(f"s{number}", f"write {number} gate g") for number in range(12)]
    solving = asyncio.ensure_future(shop.solve(drawing.graph(*steps)))
    await until(lambda: shop.running == 8)
    shop.gate("g").set()
    await solving
    assert (shop.most, sum(shop.ran.values())) == (8, 12)


async def test_all_are_announced_before_any_starts(shop: Workshop) -> None:
    build = shop.begin()
    await shop.solve(line("write a", "write b"), build)
    assert isinstance(build.progress, Told)
    states = [event for event in build.progress if isinstance(event, VertexState)]
    assert [(state.name, bool(state.started), bool(state.completed)) for state in states] == [
        ("write a", False, False),
        ("write b", False, False),
        ("write a", True, False),
        ("write a", True, True),
        ("write b", True, False),
        ("write b", True, True),
    ]
    assert states[1].inputs == (states[0].id,)


async def test_a_failure_cancels_the_others_at_once(shop: Workshop) -> None:
    drawing = Drawing()
    slow = drawing.run("slow", "write slow gate never")
    bad = drawing.run("bad", "fail exit-code-1 gate g")
    after = drawing.run("after", "write after", bad)
    build = shop.begin()
    solving = asyncio.ensure_future(shop.solve(drawing.graph(slow, after), build))
    await until(lambda: shop.running == 2)
    shop.gate("g").set()
    with pytest.raises(Conflict, match="exit-code-1"):
        await solving
    assert isinstance(build.progress, Told)
    assert build.progress.state("bad").error == "exit-code-1"
    assert build.progress.state("slow").error == "context canceled"
    assert (build.progress.state("slow").completed > 0, build.progress.state("after").started) == (True, 0)
    assert (shop.stopped, shop.running, build.failed) == (["write slow gate never"], 0, [bad])


async def test_what_failed_is_not_recorded(shop: Workshop) -> None:
    for _ in range(2):
        with pytest.raises(Conflict):
            await shop.solve(line("write a", "fail no"))
    assert shop.ran == {"write a": 1, "fail no": 2}


async def test_a_cancelled_build_leaves_nothing_running(shop: Workshop) -> None:
    solving = asyncio.ensure_future(shop.solve(line("write a", "write b gate never")))
    await until(lambda: shop.ran["write b gate never"])
    solving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await solving
    assert (shop.running, shop.stopped) == (0, ["write b gate never"])
    assert not shop.images.pins._held


def _two_stages(source: str = "write lib") -> Graph:
    """A stage from which another copies."""
    drawing = Drawing()
    stage = drawing.run("stage", source)
    copied = drawing.copy("copy", stage)
    return drawing.graph(drawing.run("end", "write end", copied))


async def test_ancestors_may_go(shop: Workshop) -> None:
    """A stage whose layers were evicted is not run again while nothing needs them."""
    graph = _two_stages()
    build = shop.begin()
    first = await shop.solve(graph, build)
    await shop.evict(graph, build, "stage")
    assert await shop.solve(graph) == first
    assert shop.ran["write lib"] == 1


async def test_evicted_layers_are_made_again_for_who_reads_them(shop: Workshop) -> None:
    graph = _two_stages()
    build = shop.begin()
    await shop.solve(graph, build)
    await shop.evict(graph, build, "stage")
    shop.deps.cache.remove([build.solved[named(graph, "copy")].key])
    await shop.solve(graph)
    assert shop.ran == {"write lib": 2, "/copy": 2, "write end": 1}


async def test_a_root_is_made_again(shop: Workshop) -> None:
    graph = line("write a", "write b")
    build = shop.begin()
    first = await shop.solve(graph, build)
    await shop.evict(graph, build, "write b")
    await shop.evict(graph, build, "write a")
    assert await shop.solve(graph) == first
    assert shop.ran == {"write a": 2, "write b": 2}


async def test_other_layers_give_other_keys_to_all_that_follows(shop: Workshop) -> None:
    graph = _two_stages("count lib")
    build = shop.begin()
    await shop.solve(graph, build)
    await shop.evict(graph, build, "stage")
    shop.deps.cache.remove([build.solved[named(graph, "copy")].key])
    again = shop.begin()
    await shop.solve(graph, again)
    assert shop.ran == {"count lib": 2, "/copy": 2, "write end": 2}
    assert isinstance(again.progress, Told)
    assert again.progress.cached() == set()


async def test_what_was_taken_from_the_cache_too_early_is_solved_anew(shop: Workshop) -> None:
    """One reader hits, another needs the layers, which come out differently: both must see the same."""
    drawing = Drawing()
    stage = drawing.run("stage", "count lib")
    one = drawing.copy("one", stage)
    two = drawing.copy("two", stage)
    graph = drawing.graph(one, two)
    build = shop.begin()
    await shop.solve(graph, build)
    await shop.evict(graph, build, "stage")
    shop.deps.cache.remove([build.solved[two].key])
    await shop.solve(graph)
    assert shop.ran == {"count lib": 2, "/one": 2, "/two": 2}


async def test_contents_that_nobody_remembers_are_read_again(shop: Workshop) -> None:
    graph = _two_stages()
    build = shop.begin()
    await shop.solve(graph, build)
    await shop.evict(graph, build, "stage")
    shop.deps.cache.forget(1 << 62)
    await shop.solve(graph)
    assert shop.ran == {"write lib": 2, "/copy": 1, "write end": 1}


async def test_materialize_brings_a_vertex_that_no_target_needed(shop: Workshop) -> None:
    graph = _two_stages()
    build = shop.begin()
    await shop.solve(graph, build)
    await shop.evict(graph, build, "stage")
    again = shop.begin()
    async with again.lasting:
        await solve(again, graph, shop.performers)
        rootfs = await materialize(again, graph, named(graph, "stage"), shop.performers)
        assert rootfs.chain in shop.images.snapshots.layers()
    assert shop.ran["write lib"] == 2


async def test_a_changed_folder_runs_its_readers_only(shop: Workshop) -> None:
    drawing = Drawing()
    base = drawing.run("base", "write base")
    copied = drawing.copy("copy", drawing.local("context"))
    graph = drawing.graph(base, copied)
    for contents in ("1", "1", "2", "1"):
        shop.local["context"] = contents
        await shop.solve(graph)
    assert shop.ran == {"write base": 1, "/copy": 2}


async def test_pins_last_until_the_build_ends(shop: Workshop) -> None:
    build = shop.begin()
    graph = line("write a")
    async with build.lasting:
        found = await solve(build, graph, shop.performers)
        assert all(rootfs.chain and rootfs.chain in shop.images.pins for rootfs in found.values())
    assert not shop.images.pins._held
