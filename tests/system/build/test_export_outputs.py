"""Archives, trees and pushes of what was built."""

import io
import json
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.build.export.export import export
from pier.build.graph import Rootfs, Target, VertexId
from pier.build.request import Output
from pier.errors import Cancelled, InvalidArgument, Unauthorized
from pier.images.archive import load
from pier.images.deps import ignore_progress
from pier.images.lookup import find
from pier.images.pull import pull
from pier.images.push import push
from pier.images.remove import remove
from pier.oci.platform import Platform
from pier.oci.reference import parse_reference
from pier.remote.settings import Credentials
from pier.testing.exports import Client, Machine, graph_of, rooted
from pier.testing.images import layer_tar, pieces
from pier.testing.registry import PASSWORD, USER, Distribution, distribution

ARM64 = Platform("arm64", "linux")


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "one") as machine:
        yield machine


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "two") as machine:
        yield machine


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path) as running:
        yield running


def output(kind: str, **attributes: str) -> Output:
    return Output(kind, {name.replace("_", "-"): value for name, value in attributes.items()})


def members(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {
            member.name: content.read() if (content := archive.extractfile(member)) else b""
            for member in archive.getmembers()
        }


async def two_layers(machine: Machine) -> tuple[Target, dict[VertexId, Rootfs]]:
    layers = await machine.layer(await machine.layer((), layer_tar(base=b"1")), layer_tar(own=b"2"))
    vertex, target = rooted(layers, base=1)
    return target, {vertex.id: Rootfs(layers)}


async def two_platforms(machine: Machine) -> tuple[tuple[Target, ...], dict[VertexId, Rootfs]]:
    base = await machine.layer((), layer_tar(base=b"1"))
    one, two = await machine.layer(base, layer_tar(own=b"amd")), await machine.layer(base, layer_tar(own=b"arm"))
    (first, here), (second, there) = rooted(one, base=1), rooted(two, ARM64, base=1)
    return (there, here), {first.id: Rootfs(one), second.id: Rootfs(two)}


@pytest.mark.parametrize(("kind", "blob"), [("docker", b"own"), ("oci", b"\x1f\x8b")])
async def test_an_archive_can_be_loaded_elsewhere(machine: Machine, other: Machine, kind: str, blob: bytes) -> None:
    target, roots = await two_layers(machine)
    request = {"outputs": (output(kind, dest="x.tar", name="app:1"), output("image", name="app:1"))}
    exported = await export(machine.build(**request), graph_of(target), roots)
    archive = members(machine.client.tars[0])
    assert any(data.startswith(blob) for name, data in archive.items() if name.startswith("blobs/sha256/"))
    assert ("manifest.json" in archive) == (kind == "docker")
    assert json.loads(archive["index.json"])["manifests"][0]["digest"].startswith("sha256:")
    loaded = await load(other.images, pieces(machine.client.tars[0]), ignore_progress)
    assert [image.id for image in loaded] == list(exported.images)
    assert find(other.images, "app:1").id == exported.images[0]


async def test_an_archive_is_the_same_whenever_it_is_made(machine: Machine) -> None:
    target, roots = await two_layers(machine)
    outputs = (output("oci", name="app:1"), output("docker", dest="-", name="app:1"))
    await export(machine.build(outputs=outputs), graph_of(target), roots)
    first = dict(machine.client.tars)
    await export(machine.build(outputs=outputs), graph_of(target), roots)
    assert machine.client.tars == first


async def test_zstd_where_it_is_asked_for(machine: Machine) -> None:
    target, roots = await two_layers(machine)
    await export(machine.build(outputs=(output("oci", compression="zstd"),)), graph_of(target), roots)
    blobs = [data for name, data in members(machine.client.tars[0]).items() if name.startswith("blobs/sha256/")]
    assert sum(data.startswith(b"\x28\xb5\x2f\xfd") for data in blobs) == 2


async def test_the_root_file_system_as_a_tar(machine: Machine) -> None:
    target, roots = await two_layers(machine)
    exported = await export(machine.build(outputs=(output("tar", dest="-"),)), graph_of(target), roots)
    assert members(machine.client.tars[0]) == {"base": b"1", "own": b"2"}
    assert exported.images == ()
    assert machine.told.vertices() == ["exporting to client tarball"]


async def test_several_platforms_are_folders_side_by_side(machine: Machine) -> None:
    targets, roots = await two_platforms(machine)
    await export(machine.build(outputs=(output("local", dest="out"),)), graph_of(*targets), roots)
    assert {name: data for name, data in members(machine.client.tars[0]).items() if data} == {
        "linux_arm64/base": b"1",
        "linux_arm64/own": b"arm",
        "linux_amd64/base": b"1",
        "linux_amd64/own": b"amd",
    }


async def test_a_docker_archive_holds_one_platform(machine: Machine) -> None:
    targets, roots = await two_platforms(machine)
    with pytest.raises(InvalidArgument, match="does not currently support exporting manifest lists"):
        await export(machine.build(outputs=(output("docker", dest="-"),)), graph_of(*targets), roots)


async def test_a_push_can_be_pulled_elsewhere(machine: Machine, other: Machine, registry: Distribution) -> None:
    target, roots = await two_layers(machine)
    name = f"{registry.host}/app:1"
    exported = await export(machine.build(outputs=(output("image", name=name, push="true"),)), graph_of(target), roots)
    pulled = await pull(other.images, other.registries, parse_reference(name), None, None, ignore_progress)
    assert pulled.id == exported.images[0] == exported.metadata["containerimage.config.digest"]
    digest = exported.metadata["containerimage.digest"]
    for each in (machine, other):
        assert find(each.images, name).repo_digests == (f"{registry.host}/app@{digest}",)
    assert f"pushing manifest for {name}@{digest}" in machine.told.parts()


async def test_a_push_in_the_form_that_is_asked_for(machine: Machine, other: Machine, registry: Distribution) -> None:
    target, roots = await two_layers(machine)
    name = f"{registry.host}/app:1"
    attributes = {"name": name, "push": "true", "compression": "zstd", "annotation.a": "b"}
    await export(machine.build(outputs=(Output("image", attributes),)), graph_of(target), roots)
    pulled = await pull(other.images, other.registries, parse_reference(name), None, None, ignore_progress)
    assert pulled.manifest is not None
    manifest = json.loads(other.images.content.read(pulled.manifest.digest))
    assert manifest["annotations"] == {"a": "b"}
    assert [layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"]] == ["zstd", "zstd"]


async def test_several_platforms_under_one_name(machine: Machine, other: Machine, registry: Distribution) -> None:
    targets, roots = await two_platforms(machine)
    name = f"{registry.host}/app:1"
    exported = await export(
        machine.build(outputs=(output("image", name=name, push="true"),)), graph_of(*targets), roots
    )
    arm, amd = exported.images
    assert find(machine.images, name).id == amd
    assert not find(machine.images, arm).dangling
    for platform, expected in ((None, amd), (ARM64, arm)):
        pulled = await pull(other.images, other.registries, parse_reference(name), platform, None, ignore_progress)
        assert pulled.id == expected


async def test_a_push_needs_a_name(machine: Machine) -> None:
    target, roots = await two_layers(machine)
    with pytest.raises(InvalidArgument, match="tag is needed when pushing to registry"):
        await export(machine.build(outputs=(output("image", push="true"),)), graph_of(target), roots)


async def test_what_stands_under_one_name_is_pushed_and_removed_together(
    machine: Machine, other: Machine, registry: Distribution
) -> None:
    targets, roots = await two_platforms(machine)
    name = f"{registry.host}/app:1"
    outputs = (output("image", name=name, push="true"),)
    arm, amd = (await export(machine.build(outputs=outputs), graph_of(*targets), roots)).images
    await push(machine.images, machine.registries, parse_reference(name), None, ignore_progress)
    for platform, expected in ((None, amd), (ARM64, arm)):
        pulled = await pull(other.images, other.registries, parse_reference(name), platform, None, ignore_progress)
        assert pulled.id == expected
    await remove(machine.images, name, force=False, prune_children=True, in_use=lambda image_id: ())
    assert list(machine.images.store.list()) == []


async def test_a_name_that_moves_leaves_nothing_that_looks_wanted(machine: Machine) -> None:
    targets, roots = await two_platforms(machine)
    arm, amd = (await export(machine.build(tags=("app",)), graph_of(*targets), roots)).images
    assert not find(machine.images, arm).dangling
    target, roots = await two_layers(machine)
    await export(machine.build(tags=("app",)), graph_of(target), roots)
    assert find(machine.images, arm).dangling
    assert find(machine.images, amd).dangling


async def test_forms_that_were_made_are_not_kept(machine: Machine, registry: Distribution) -> None:
    target, roots = await two_layers(machine)
    outputs = (output("oci"), output("image", name=f"{registry.host}/app:1", push="true", compression="zstd"))
    exported = await export(machine.build(outputs=outputs), graph_of(target), roots)
    assert {blob.digest for blob in machine.images.content.walk()} == set(exported.images)


async def test_a_push_shows_its_credentials(machine: Machine, tmp_path: Path) -> None:
    target, roots = await two_layers(machine)
    async with distribution(tmp_path, htpasswd=True) as registry:
        request = {"outputs": (output("image", name=f"{registry.host}/app:1", push="true"),)}
        with pytest.raises(Unauthorized):
            await export(machine.build(**request), graph_of(target), roots)
        machine.client.given = Credentials(USER, PASSWORD)
        await export(machine.build(**request), graph_of(target), roots)
    assert find(machine.images, f"{registry.host}/app:1").repo_digests


async def test_who_stops_taking_leaves_nothing(machine: Machine) -> None:
    """The client goes away in the middle of an archive."""

    class Gone(Client):
        async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
            await anext(chunks)
            raise Cancelled("context canceled")

    target, roots = await two_layers(machine)
    machine.client = Gone()
    for kind in ("oci", "tar"):
        with pytest.raises(Cancelled):
            await export(machine.build(outputs=(output(kind),)), graph_of(target), roots)
    assert list(machine.images.content.walk()) == []
    assert os.listdir(machine.root / "run") == []
    assert os.listdir(machine.root / "content/ingest") == []
