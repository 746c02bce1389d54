"""Random graphs whose layers and records are lost at random: what comes out is always of one piece."""

import random
from pathlib import Path

import pytest

from pier.build.graph import Copy, Exec, Graph, Rootfs, VertexId
from pier.build.solving.outcome import Solved
from pier.build.solving.solver import solve
from tests.unit.build.solver.workshop import Drawing, Workshop


def drawn(chance: random.Random, size: int) -> Graph:
    """Steps of which some come out differently each time, and copies from one or two of them."""
    drawing = Drawing()
    made: list[VertexId] = []
    for number in range(size):
        inputs = chance.sample(made, min(len(made), chance.randint(0, 2)))
        if number and chance.random() < 0.5:
            made.append(drawing.copy(f"copy{number}", *inputs))
        else:
            words = chance.choice(("write", "count"))
            made.append(drawing.run(f"run{number}", f"{words} {number}", *inputs[:1]))
    return drawing.graph(*chance.sample(made, 2))


def is_of_one_piece(shop: Workshop, graph: Graph, solved: dict[VertexId, Solved]) -> None:
    """Every copy whose layers are there holds what its inputs are now; every step lies on its input."""
    layers = shop.images.snapshots.layers()
    for id, vertex in graph.vertices.items():
        result = solved[id].result
        assert isinstance(result, Rootfs)
        inputs = [solved[each].result for each in vertex.inputs]
        if isinstance(vertex.op, Copy) and result.chain is not None and result.chain in layers:
            text = (layers[result.chain].root / "file").read_text()
            assert text == vertex.op.dest + " ".join(str(each.chain) for each in inputs if isinstance(each, Rootfs))
        if isinstance(vertex.op, Exec) and inputs and isinstance(inputs[0], Rootfs):
            assert result.diff_ids[:-1] == inputs[0].diff_ids


def lose(chance: random.Random, shop: Workshop) -> None:
    """Some layers, some records, some of what is remembered of contents."""
    layers = shop.images.snapshots.layers()
    below = {layer.parent for layer in layers.values()}
    for chain in sorted(layers.keys() - below):
        if chance.random() < 0.6:
            shop.deps.held.evict(chain)
            shop.images.snapshots.remove_layer(chain)
    keys = sorted(record.key for record in shop.deps.cache.list())
    shop.deps.cache.remove([key for key in keys if chance.random() < 0.2])
    if chance.random() < 0.3:
        shop.deps.cache.forget(1 << 62)


@pytest.mark.parametrize("seed", range(8))
async def test_what_comes_out_is_of_one_piece(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    shop = Workshop(tmp_path)
    graph = drawn(chance, 12)
    for _ in range(6):
        build = shop.begin()
        async with build.lasting:
            roots = await solve(build, graph, shop.performers)
            is_of_one_piece(shop, graph, build.solved)
            assert {rootfs.chain for rootfs in roots.values()} <= set(shop.images.snapshots.layers())
        assert (shop.running, dict(shop.images.pins._held)) == (0, {})
        lose(chance, shop)
    shop.images.snapshots.close()
