"""Images that a build leaves in the store."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.build.export.export import export
from pier.build.graph import Rootfs
from pier.images.lookup import find
from pier.testing.exports import Machine, graph_of, rooted
from pier.testing.images import layer_tar


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "one") as machine:
        yield machine


async def test_an_image_is_registered_and_named(machine: Machine) -> None:
    layers = await machine.layer(await machine.layer((), layer_tar(base=b"1")), layer_tar(own=b"2"))
    vertex, target = rooted(layers, base=1)
    exported = await export(
        machine.build(tags=("app", "me/app:2")), graph_of(target, vertices=[vertex]), {vertex.id: Rootfs(layers)}
    )
    image = find(machine.images, "app")
    assert exported.images == (image.id,)
    assert exported.metadata == {
        "containerimage.digest": image.id,
        "containerimage.config.digest": image.id,
        "image.name": "docker.io/library/app,docker.io/me/app:2",
    }
    assert image.repo_tags == ("docker.io/library/app:latest", "docker.io/me/app:2")
    assert image.diff_ids == list(layers)
    assert machine.told.parts() == [
        "exporting layers",
        f"writing image {image.id}",
        "naming to docker.io/library/app",
        "naming to docker.io/me/app:2",
    ]
    assert machine.told.vertices() == ["exporting to image"]


async def test_an_unchanged_build_gives_the_same_image_soon(machine: Machine) -> None:
    layers = await machine.layer((), layer_tar(own=b"2"))
    vertex, target = rooted(layers)
    graph, roots = graph_of(target, vertices=[vertex]), {vertex.id: Rootfs(layers)}
    first = await export(machine.build(tags=("app",)), graph, roots)
    taken = []
    for _ in range(10):
        begun = time.perf_counter()
        again = await export(machine.build(tags=("app",)), graph, roots)
        taken.append(time.perf_counter() - begun)
        assert again.images == first.images
    assert min(taken) < 0.1


async def test_nothing_on_scratch_is_an_image_too(machine: Machine) -> None:
    _, target = rooted(await machine.layer((), layer_tar(own=b"2")))
    empty = type(target)(target.platform, None, target.config)
    exported = await export(machine.build(tags=("none",)), graph_of(empty), {})
    assert find(machine.images, "none").id == exported.images[0]
