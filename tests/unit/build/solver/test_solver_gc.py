"""The ceiling of the cache: what goes first, and what never goes."""

import asyncio
from pathlib import Path

from pier.build.cache import CacheRecord
from pier.build.caching.gc import keep_below
from pier.build.caching.inuse import in_use
from pier.build.caching.prune import Rules, prune, reclaimed
from pier.build.caching.selection import parse_selection
from pier.build.caching.usage import usage
from pier.build.graph import Graph
from pier.build.solving.solver import solve
from pier.images.release import collect, release_layers
from pier.oci.digest import Digest
from pier.testing.snapshots import make_layer
from tests.unit.build.solver.workshop import Drawing, Workshop, line, named, until


def sized(name: str, size: int = 100) -> str:
    """The words of a step that writes ``size`` bytes."""
    return f"write {name.ljust(size, '.')}"


def folder(shop: Workshop, key: str, size: int, used: int, kind: str = "exec.cachemount") -> Path:
    path = shop.deps.root / "mounts" / key
    path.mkdir(parents=True)
    (path / "file").write_bytes(bytes(size))
    shop.deps.cache.put(CacheRecord(key=key, kind=kind, path=f"mounts/{key}", size=size, used=used))
    return path


def total(shop: Workshop) -> int:
    return sum(entry.size for entry in usage(shop.deps))


async def test_what_was_not_used_for_longest_goes(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    for name in ("a", "b", "a", "c"):
        await shop.solve(line(sized(name)))
    await keep_below(shop.deps, measure=True)
    assert total(shop) == 200
    for name in ("a", "c"):
        await shop.solve(line(sized(name)))
    assert set(shop.ran.values()) == {1}
    await shop.solve(line(sized("b")))
    assert shop.ran[sized("b")] == 2


async def test_the_ceiling_is_obeyed_while_a_build_runs(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    await shop.solve(line(sized("old"), sized("older")))
    drawing = Drawing()
    steps = [drawing.run(f"s{number}", sized(str(number))) for number in range(2)]
    late = drawing.run("late", "write x gate g", steps[1])
    solving = asyncio.ensure_future(shop.solve(drawing.graph(steps[0], late)))
    await until(lambda: shop.ran["write x gate g"])
    assert total(shop) <= 250
    shop.gate("g").set()
    await solving


async def test_what_a_build_has_pinned_stays(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    build = shop.begin()
    graph = line(*(sized(name) for name in "abcde"))
    async with build.lasting:
        await solve(build, graph, shop.performers)
        await keep_below(shop.deps, measure=True)
        assert total(shop) == 500
    await keep_below(shop.deps, measure=True)
    assert total(shop) == 200


async def test_evicted_records_still_tell_keys(shop_of_250: Workshop) -> None:
    """Only the end of a build is kept, and yet nothing is run again."""
    shop = shop_of_250
    drawing = Drawing()
    stage = drawing.run("stage", sized("stage", 240))
    graph = drawing.graph(drawing.copy("copy", stage))
    first = await shop.solve(graph)
    await keep_below(shop.deps, measure=True)
    assert [entry.record.description for entry in usage(shop.deps)] == ["copy"]
    assert await shop.solve(graph) == first
    assert max(shop.ran.values()) == 1


async def test_folders_go_too_but_not_under_someones_feet(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    old, busy, new = folder(shop, "old", 150, 1), folder(shop, "busy", 150, 2), folder(shop, "new", 150, 3)
    with in_use(shop.deps, "busy"):
        assert await keep_below(shop.deps, measure=True) == 300
        assert [path.exists() for path in (old, busy, new)] == [False, True, False]
    assert [record.key for record in shop.deps.cache.list()] == ["busy"]
    assert list((shop.deps.root / "trash").iterdir()) == []


async def test_without_a_ceiling_all_stays(shop: Workshop) -> None:
    folder(shop, "old", 1 << 20, 1)
    assert await keep_below(shop.deps, measure=True) == 0


async def test_the_layers_of_images_are_not_the_caches(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    found = await shop.solve(line(sized("a"), sized("b"), sized("c")))
    image = shop.image(*down(shop, found))
    assert total(shop) == 300
    assert [entry.shared for entry in usage(shop.deps)] == [True, True, True]
    assert await keep_below(shop.deps, measure=True) == 0
    shop.images.store.remove(image.id)
    assert await keep_below(shop.deps, measure=True) == 100


async def test_collecting_leaves_what_the_cache_keeps(shop: Workshop) -> None:
    await shop.solve(line("write a", "write b"))
    assert await collect(shop.images) == 0
    assert len(shop.images.snapshots.layers()) == 2
    shop.images.holders.clear()
    await collect(shop.images)
    assert len(shop.images.snapshots.layers()) == 0


async def test_a_removed_image_below_the_cache_is_counted(shop: Workshop) -> None:
    image = shop.image(make_layer(shop.images.snapshots, None, {"base": "b" * 70}).chain_id)
    await shop.solve(line(sized("a", 30), base=image))
    shop.images.store.remove(image.id)
    assert await release_layers(shop.images, image.top) == []
    entries = usage(shop.deps)
    assert [(entry.size, entry.recorded) for entry in entries] == [(30, True), (70, False)]
    assert reclaimed(await prune(shop.deps, Rules())) == 100
    assert shop.images.snapshots.layers() == {}


def down(shop: Workshop, found: dict[str, Digest | None]) -> list[Digest]:
    """The layers of the only root, bottom first."""
    layers = shop.images.snapshots.layers()
    (top,) = found.values()
    stack = []
    while top is not None:
        stack.append(top)
        top = layers[top].parent
    return stack[::-1]


def chains(shop: Workshop) -> set[Digest]:
    return set(shop.images.snapshots.layers())


async def test_layers_of_replaced_records_do_not_stay(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    for _ in range(4):
        await shop.solve(line("count " + "x" * 99, uncached=True))
    await keep_below(shop.deps, measure=True)
    assert len(chains(shop)) <= 2
    await prune(shop.deps, Rules())
    assert chains(shop) == set()


class TestPrune:
    async def test_everything(self, shop: Workshop) -> None:
        path = folder(shop, "npm", 50, 1)
        await shop.solve(line(sized("a"), sized("b")))
        before = total(shop)
        removed = await prune(shop.deps, Rules())
        assert (before, reclaimed(removed), len(removed)) == (250, 250, 3)
        assert (chains(shop), list(shop.deps.cache.list()), path.exists()) == (set(), [], False)

    async def test_evicted_records_go_with_the_rest(self, shop: Workshop) -> None:
        graph = line("write a")
        build = shop.begin()
        await shop.solve(graph, build)
        await shop.evict(graph, build, "write a")
        assert await prune(shop.deps, Rules()) == []
        assert list(shop.deps.cache.list()) == []

    async def test_only_what_is_meant(self, shop: Workshop) -> None:
        folder(shop, "npm", 50, 1)
        await shop.solve(line("write a"))
        removed = await prune(shop.deps, Rules(selection=parse_selection(["type==exec.cachemount"])))
        assert [entry.record.key for entry in removed] == ["npm"]
        assert len(chains(shop)) == 1

    async def test_only_what_is_old(self, shop: Workshop) -> None:
        folder(shop, "npm", 50, 1)
        await shop.solve(line("write a"))
        removed = await prune(shop.deps, Rules(unused_for=3600 * 10**9))
        assert [entry.record.key for entry in removed] == ["npm"]

    async def test_down_to_a_size(self, shop: Workshop) -> None:
        graphs: list[Graph] = [line(sized(name)) for name in "abc"]
        for graph in graphs:
            await shop.solve(graph)
        await shop.solve(graphs[0])
        removed = await prune(shop.deps, Rules(reserved=250))
        assert [entry.record.description for entry in removed] == [sized("b")]
        assert total(shop) == 200
        assert await prune(shop.deps, Rules(max_used=200)) == []
        assert await prune(shop.deps, Rules(min_free=1)) == []
        assert len(await prune(shop.deps, Rules(min_free=1 << 60))) == 2

    async def test_what_lies_on_others_goes_first(self, shop: Workshop) -> None:
        await shop.solve(line(sized("a"), sized("b"), sized("c")))
        shop.deps.cache.touch([record.key for record in shop.deps.cache.list()], 5)
        removed = await prune(shop.deps, Rules(max_used=150))
        assert [(entry.record.description, entry.size) for entry in removed] == [(sized("c"), 100), (sized("b"), 100)]

    async def test_what_images_share_stays_without_all(self, shop: Workshop) -> None:
        found = await shop.solve(line(sized("a"), sized("b")))
        shop.image(*down(shop, found))
        assert await prune(shop.deps, Rules()) == []
        removed = await prune(shop.deps, Rules(all=True))
        assert [entry.size for entry in removed] == [0, 0]
        assert (len(chains(shop)), list(shop.deps.cache.list())) == (2, [])

    async def test_running_builds_are_left_alone(self, shop: Workshop) -> None:
        graph = line("write a", "write b gate g")
        solving = asyncio.ensure_future(shop.solve(graph))
        await until(lambda: shop.ran["write b gate g"])
        assert await prune(shop.deps, Rules(all=True)) == []
        shop.gate("g").set()
        await solving
        assert named(graph, "write a") and len(await prune(shop.deps, Rules(all=True))) == 2

    async def test_it_is_an_event(self, shop: Workshop) -> None:
        await shop.solve(line(sized("a")))
        told = shop.deps.events.subscribe()
        await prune(shop.deps, Rules())
        event = await anext(told)
        assert (event.type, event.action, event.attributes) == ("builder", "prune", {"reclaimed": "100"})
