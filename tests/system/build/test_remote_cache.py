"""Caches that travel: what one machine exported, another one finds, and fetches no layer before it needs it."""

import io
import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pier.build.cache import CacheRecord
from pier.build.deps import Build
from pier.build.export.export import export
from pier.build.graph import Rootfs, VertexId
from pier.build.remotecache.importing import importers
from pier.build.request import CacheSpec, Output
from pier.build.solving.outcome import Solved
from pier.errors import InvalidArgument, PierError, Unsupported
from pier.oci.digest import Digest, sha256
from pier.oci.image import chain_ids
from pier.testing.exports import Machine, graph_of, rooted
from pier.testing.images import layer_tar
from pier.testing.registry import Distribution, distribution

RUN, COPY, OTHER = (f"sha256:{digit * 64}" for digit in "123")


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "one") as machine:
        yield machine


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "two") as machine:
        await machine.layer((), layer_tar(base=b"1"))
        yield machine


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path) as running:
        yield running


def spec(kind: str, **attributes: str) -> CacheSpec:
    return CacheSpec(kind, attributes)


def record(key: str, layers: tuple[Digest, ...], text: str) -> CacheRecord:
    return CacheRecord(key=key, description=text, diff_ids=layers, own=1, created=1_700_000_000_000_000_000, size=1)


async def built(machine: Machine, **request: Any) -> tuple[Build, tuple[Digest, ...], tuple[Digest, ...]]:
    """A build of a stage with two steps on a base, and of another stage with one; both stages' layers."""
    base = await machine.layer((), layer_tar(base=b"1"))
    ran = await machine.layer(base, layer_tar(ran=b"2"))
    copied = await machine.layer(ran, layer_tar(copied=b"3"))
    aside = await machine.layer(base, layer_tar(aside=b"4"))
    build = machine.build(**request)
    for key, layers, text in ((RUN, ran, "RUN make"), (COPY, copied, "COPY . ."), (OTHER, aside, "RUN other")):
        machine.cache.put(record(key, layers, text))
        build.solved[VertexId(key)] = Solved(key, Rootfs(layers), cached=True)
    machine.cache.remember(chain_ids(aside)[-1], "/aside", sha256(b"content"), 1)
    vertex, target = rooted(copied, base=1)
    await export(build, graph_of(target), {vertex.id: Rootfs(copied)})
    return build, copied, aside


async def test_a_registry_carries_a_cache(machine: Machine, other: Machine, registry: Distribution) -> None:
    ref = f"{registry.host}/cache:main"
    _, copied, aside = await built(machine, cache_to=(spec("registry", ref=ref, mode="max"),))
    build = other.build(cache_from=(spec("registry", ref=ref),))
    remote = await importers(build)
    found = remote.record(COPY)
    assert found is not None
    assert (found.diff_ids, found.description, found.own) == (copied, "COPY . .", 1)
    assert found.created == 1_700_000_000_000_000_000
    assert other.cache.content(chain_ids(aside)[-1], "/aside") == sha256(b"content")
    assert remote.record("sha256:" + "f" * 64) is None
    assert len(other.images.snapshots.layers()) == 1, "nothing is fetched before it is needed"
    for layers in (copied, aside):
        assert await remote.materialize(layers)
    assert set(chain_ids(copied)) | set(chain_ids(aside)) == set(other.images.snapshots.layers())
    assert other.told.vertices()[0] == f"importing cache manifest from {ref}"


async def test_the_layers_of_the_result_only(machine: Machine, other: Machine, registry: Distribution) -> None:
    ref = f"{registry.host}/cache:main"
    _, copied, aside = await built(machine, cache_to=(spec("registry", ref=ref),))
    remote = await importers(other.build(cache_from=(spec("registry", ref=ref),)))
    assert remote.record(OTHER) is not None, "keys are known, though the layers are not there"
    assert not remote.reachable(aside)
    assert not await remote.materialize(aside)
    assert await remote.materialize(copied)


async def test_an_image_carries_a_cache_inside(machine: Machine, other: Machine, registry: Distribution) -> None:
    ref = f"{registry.host}/app:1"
    outputs = (Output("image", {"name": ref, "push": "true"}),)
    _, copied, _ = await built(machine, outputs=outputs, cache_to=(spec("inline"),))
    remote = await importers(other.build(cache_from=(spec("registry", ref=ref),)))
    assert remote.record(COPY) is not None
    assert await remote.materialize(copied)


async def test_an_image_with_a_cache_inside_is_the_same_again(machine: Machine) -> None:
    ids = []
    for _ in range(2):
        await built(machine, tags=("app",), cache_to=(spec("inline"),))
        ids.append([image.id for image in machine.images.store.list()])
    assert ids[0] == ids[1]


async def test_a_folder_carries_a_cache(machine: Machine, other: Machine, tmp_path: Path) -> None:
    _, copied, aside = await built(machine, cache_to=(spec("local", dest="cache", mode="max"),))
    with tarfile.open(fileobj=io.BytesIO(machine.client.tars[0])) as archive:
        archive.extractall(tmp_path / "cache")
    other.client.folders["cache:0"] = tmp_path / "cache"
    remote = await importers(other.build(cache_from=(spec("local", src="cache"),)))
    assert await remote.materialize(copied)
    assert await remote.materialize(aside)


async def test_what_never_came_is_handed_on(machine: Machine, other: Machine, registry: Distribution) -> None:
    """A machine that had everything cached exports what it imported, without ever having had the layers."""
    first, second = f"{registry.host}/cache:1", f"{registry.host}/elsewhere:2"
    _, copied, aside = await built(machine, cache_to=(spec("registry", ref=first, mode="max"),))
    build = other.build(
        outputs=(Output("tar"),),
        cache_from=(spec("registry", ref=first),),
        cache_to=(spec("registry", ref=second, mode="max"),),
    )
    remote = await importers(build)
    for key, layers in ((RUN, copied[:2]), (COPY, copied), (OTHER, aside)):
        build.solved[VertexId(key)] = Solved(key, Rootfs(layers), cached=True)
    base = copied[:1]
    vertex, target = rooted(base, base=1)
    await export(build, graph_of(target), {vertex.id: Rootfs(base)})
    assert remote.record(COPY) is not None
    again = await importers(other.build(cache_from=(spec("registry", ref=second),)))
    assert await again.materialize(copied)
    assert await again.materialize(aside)


async def test_a_cache_that_is_not_there_is_told_and_left_out(machine: Machine, registry: Distribution) -> None:
    specs = (spec("registry", ref=f"{registry.host}/none:1"), spec("local", src="none"))
    remote = await importers(machine.build(cache_from=specs))
    assert remote.record(RUN) is None
    errors = [getattr(event, "error", "") for event in machine.told]
    assert any("not found" in error for error in errors)


@pytest.mark.parametrize(
    ("wanted", "kind", "text"),
    [
        (spec("gha"), Unsupported, 'unknown cache importer: "gha"'),
        (spec("registry"), InvalidArgument, "ref required for registry cache importer"),
        (spec("registry", ref="A B"), InvalidArgument, "invalid reference format"),
    ],
)
async def test_what_there_is_not_is_refused(
    machine: Machine, wanted: CacheSpec, kind: type[PierError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        await importers(machine.build(cache_from=(wanted,)))


def layout(folder: Path, config: dict[str, Any], blobs: dict[Digest, bytes]) -> None:
    """A cache's folder that says what it likes."""
    place = folder / "blobs/sha256"
    place.mkdir(parents=True)
    data = json.dumps(config).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.pier.buildcache.config.v1+json",
                "digest": sha256(data),
                "size": len(data),
            },
            "layers": [],
        }
    ).encode()
    for digest, content in {sha256(data): data, sha256(manifest): manifest, **blobs}.items():
        (place / digest.partition(":")[2]).write_bytes(content)
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": sha256(manifest),
        "size": len(manifest),
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def claimed(diff_id: Digest, blob: Digest, size: int) -> dict[str, Any]:
    media_type = "application/vnd.oci.image.layer.v1.tar"
    layer = {"diffId": diff_id, "blob": {"mediaType": media_type, "digest": blob, "size": size}}
    return {"version": 1, "layers": [layer], "steps": [{"key": RUN, "layers": [0]}]}


@pytest.mark.parametrize("fault", ["other content", "other digest", "shorter", "missing", "link", "device"])
async def test_layers_that_are_not_what_they_claim_are_not_taken(machine: Machine, tmp_path: Path, fault: str) -> None:
    tar, wanted = layer_tar(x=b"evil"), sha256(layer_tar(x=b"good"))
    blob = sha256(tar) if fault != "other digest" else wanted
    blobs = {} if fault in ("missing", "link", "device") else {blob: tar}
    layout(tmp_path / "cache", claimed(wanted, blob, len(tar) + (fault == "shorter")), blobs)
    place = tmp_path / "cache/blobs/sha256" / blob.partition(":")[2]
    if fault in ("link", "device"):
        place.symlink_to("/dev/zero" if fault == "device" else "/etc/passwd")
    machine.client.folders["cache:0"] = tmp_path / "cache"
    remote = await importers(machine.build(cache_from=(spec("local", src="cache"),)))
    assert remote.record(RUN) is not None
    assert not await remote.materialize((wanted,))
    assert machine.images.snapshots.layers() == {}
    assert not await remote.materialize((wanted,)), "it is not tried again"


@pytest.mark.parametrize(
    "config",
    [
        {"version": 2},
        {"version": 1, "steps": [{"key": RUN, "layers": [0]}]},
        {"version": 1, "layers": [{"diffId": "sha256:no"}]},
        {"version": 1, "contents": [{"root": "x", "selector": "y", "digest": "z"}]},
        [],
    ],
)
async def test_a_cache_that_makes_no_sense_is_left_out(machine: Machine, tmp_path: Path, config: Any) -> None:
    layout(tmp_path / "cache", config, {})
    machine.client.folders["cache:0"] = tmp_path / "cache"
    remote = await importers(machine.build(cache_from=(spec("local", src="cache"),)))
    assert remote.record(RUN) is None
    assert any("invalid build cache" in getattr(event, "error", "") for event in machine.told)
