"""One layer for several, and results that do not tell when and where they were made."""

import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.build.export.export import export
from pier.build.graph import Copy, CopyItem, Rootfs, Vertex, vertex_id
from pier.build.request import Output
from pier.build.solving.outcome import Solved
from pier.errors import InvalidArgument
from pier.images.lookup import find
from pier.testing.exports import AMD64, Machine, graph_of, rooted
from pier.testing.images import layer_tar

EPOCH = 1_700_000_000


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "one") as machine:
        yield machine


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "two") as machine:
        yield machine


def timed(mtime: int, *names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.mtime, member.mode = mtime, 0o755
            archive.addfile(member, io.BytesIO())
    return buffer.getvalue()


async def built(machine: Machine, later: int) -> str:
    """An image of a base, a RUN and a COPY, done ``later`` seconds after the first time."""
    base = await machine.layer((), layer_tar(base=b"1"))
    ran = await machine.layer(base, timed(1_750_000_000 + later, "made/", "made/by-run"))
    layers = await machine.layer(ran, timed(1_600_000_000 + later, "copied"))
    vertex, target = rooted(layers, base=1)
    op = Copy(items=(CopyItem("copied", 0),), dest="/")
    copy = Vertex(vertex_id(op, (), AMD64), op, (), "COPY", AMD64)
    build = machine.build(tags=("app",), build_args={"SOURCE_DATE_EPOCH": str(EPOCH)})
    build.solved[copy.id] = Solved("k", Rootfs(layers))
    exported = await export(build, graph_of(target, vertices=[vertex, copy]), {vertex.id: Rootfs(layers)})
    return exported.images[0]


async def test_an_epoch_gives_the_same_image_on_two_machines(machine: Machine, other: Machine) -> None:
    first = await built(machine, 0)
    assert await built(other, 3) == first
    image = find(machine.images, "app")
    assert image.created == "2023-11-14T22:13:20Z"
    roots = [machine.images.snapshots.layer(chain).root for chain in image.chain_ids]
    assert [int(os.stat(path).st_mtime) for path in (roots[1] / "made/by-run", roots[2] / "copied")] == [EPOCH, EPOCH]


async def test_an_epoch_is_applied_once(machine: Machine) -> None:
    first = await built(machine, 0)
    before = set(machine.images.snapshots.layers())
    assert await built(machine, 0) == first
    assert set(machine.images.snapshots.layers()) == before


@pytest.mark.parametrize("text", ["soon", "-1", "999999999999"])
async def test_an_epoch_must_be_one(machine: Machine, text: str) -> None:
    vertex, target = rooted(await machine.layer((), layer_tar(own=b"1")))
    build = machine.build(build_args={"SOURCE_DATE_EPOCH": text})
    with pytest.raises(InvalidArgument, match="SOURCE_DATE_EPOCH"):
        await export(build, graph_of(target), {vertex.id: Rootfs()})


async def test_squash_makes_one_layer_on_top_of_the_base(machine: Machine) -> None:
    base = await machine.layer((), layer_tar(**{"d/base": b"1", "gone": b"2", "e/base": b"3"}))
    first = await machine.layer(base, layer_tar(**{"d/one": b"4", "late": b"5", "e/one": b"6"}))
    layers = await machine.layer(
        first, layer_tar(**{".wh.gone": b"", ".wh.late": b"", "e/.wh..wh..opq": b"", "d/two": b"7"})
    )
    vertex, target = rooted(layers, base=1)
    build = machine.build(squash=True, outputs=(Output("image", {"name": "app"}), Output("tar")))
    await export(build, graph_of(target), {vertex.id: Rootfs(layers)})
    image = find(machine.images, "app")
    assert len(image.diff_ids) == 2
    assert image.diff_ids[0] == layers[0]
    with tarfile.open(fileobj=io.BytesIO(machine.client.tars[1])) as archive:
        assert [member.name for member in archive if member.isreg()] == ["d/base", "d/one", "d/two"]
    assert [step.empty_layer for step in image.config.history] == [False, True, True, True, False]


async def test_a_squash_is_the_same_again(machine: Machine) -> None:
    layers = await machine.layer(await machine.layer((), layer_tar(base=b"1")), layer_tar(own=b"2"))
    vertex, target = rooted(layers)
    roots = {vertex.id: Rootfs(layers)}
    first = await export(machine.build(squash=True), graph_of(target), roots)
    assert (await export(machine.build(squash=True), graph_of(target), roots)).images == first.images
    assert len(find(machine.images, first.images[0]).diff_ids) == 1
