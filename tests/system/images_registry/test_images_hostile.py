"""Pulls from registries that lie, cut, stall and talk nonsense: one clear line, and nothing is left."""

import asyncio
import gc
import gzip
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from pier.errors import DataCorrupted, NotFound, PierError, Unavailable, Unsupported
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.pull import pull
from pier.images.release import collect
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.platform import parse_platform
from pier.oci.reference import parse_reference
from pier.remote.client import Registries
from pier.remote.settings import Credentials, Settings
from pier.testing.faulty_registry import FaultyRegistry, cut, faulty_registry, hang, say
from pier.testing.images import Told, layer_tar, layers_left


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as made:
        yield made


async def _pull(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told, platform: str = "", tag: str = "1"
) -> Image:
    wanted = parse_platform(platform) if platform else None
    return await pull(images, registries, parse_reference(f"{registry.host}/t/app:{tag}"), wanted, None, told)


async def _nothing_left(images: Images) -> None:
    """Blobs that came whole wait for the next try, or for the next collection."""
    assert list(images.store.list()) == []
    assert layers_left(images) == []
    await collect(images)
    assert list(images.content.walk()) == []
    assert images.snapshots.verify() == []


def _big(size: int = 3_000_000) -> bytes:
    return layer_tar(big=os.urandom(size))


async def test_a_cut_layer_goes_on(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_image("t/app", "1", [_big(22_000_000), layer_tar(small=b"x")])
    registry.misbehave("GET .*/blobs/", cut(after=5_000_000))
    image = await _pull(images, registries, registry, told)
    root = images.snapshots.layer(image.chain_ids[0]).root
    assert (root / "big").stat().st_size == 22_000_000
    assert registry.served <= 1.05 * sum(len(blob) for blob in registry.blobs.values())


async def test_a_failed_pull_keeps_what_it_fetched_for_the_next(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_image("t/app", "1", [_big(20_000_000)])
    registry.misbehave("GET .*/blobs/", cut(after=10_000_000), times=2)  # the config passes whole
    registry.misbehave("GET .*/blobs/", say(500), times=4)
    with pytest.raises(Unavailable, match=r"^received unexpected HTTP status: 500 Internal Server Error$"):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)
    await _pull(images, registries, registry, told)
    assert registry.served <= 1.1 * sum(len(blob) for blob in registry.blobs.values())


async def test_a_layer_with_another_digest(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_image("t/app", "1", [_big(), layer_tar(second=b"x")])
    digest = max(registry.blobs, key=lambda each: len(registry.blobs[each]))
    damaged = bytearray(registry.blobs[digest])
    damaged[-100] ^= 1
    registry.blobs[digest] = bytes(damaged)
    with pytest.raises(DataCorrupted):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


async def test_other_bytes_of_the_same_length(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_image("t/app", "1", [layer_tar(f=b"0123456789")], level=0)
    digest = max(registry.blobs, key=lambda each: len(registry.blobs[each]))
    registry.blobs[digest] = registry.blobs[digest][:4] + b"\x01" + registry.blobs[digest][5:]  # gzip's time
    with pytest.raises(DataCorrupted, match=f"^filesystem layer verification failed for digest {digest}"):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


async def test_a_config_that_claims_other_layers(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    lie = {"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}
    registry.add_image("t/app", "1", [layer_tar(f=b"x")], config=lie)
    with pytest.raises(DataCorrupted, match=r"^layers from manifest don.t match image configuration: sha256:"):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


@pytest.mark.parametrize("diff_ids", [[], ["sha256:" + "1" * 64] * 2, ["nonsense"]])
async def test_a_config_with_the_wrong_layers(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told, diff_ids: list[str]
) -> None:
    registry.add_image("t/app", "1", [layer_tar(f=b"x")], config={"rootfs": {"type": "layers", "diff_ids": diff_ids}})
    with pytest.raises(DataCorrupted):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


@pytest.mark.parametrize(
    "body", ["garbage<<", "[]", "{}", '{"schemaVersion":2}', "[" * 50_000, '{"schemaVersion":2,"config":5}']
)
async def test_manifests_that_are_none(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told, body: str
) -> None:
    registry.misbehave("/manifests/", say(200, body, {"Content-Type": mediatypes.DOCKER_MANIFEST}))
    with pytest.raises(DataCorrupted, match=r"^invalid manifest: "):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


async def test_schema_1_is_refused(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    body = '{"schemaVersion":1,"name":"t/app","tag":"1","fsLayers":[],"history":[]}'
    registry.misbehave("/manifests/", say(200, body, {"Content-Type": mediatypes.DOCKER_SCHEMA1[1]}))
    with pytest.raises(Unsupported, match="no longer supported: rebuild the image"):
        await _pull(images, registries, registry, told)


async def test_what_is_no_image(images: Images, registries: Registries, registry: FaultyRegistry, told: Told) -> None:
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": registry.add_blob(b"{}"), "size": 2}
    chart = {"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": config, "layers": []}
    registry.add_manifest("t/app", "1", chart)
    with pytest.raises(Unsupported, match=r"^unsupported media type application/vnd.cncf.helm.config.v1\+json$"):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


def _index(registry: FaultyRegistry, *entries: tuple[str, str, dict[str, Any]]) -> None:
    """An index under tag 1: of each tag of t/app given, for ``os/architecture[/variant]``."""
    listed = []
    for tag, platform, more in entries:
        data, media_type = registry.manifests["t/app", tag]
        fields = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
        listed.append({"mediaType": media_type, "digest": sha256(data), "size": len(data), "platform": fields, **more})
    registry.add_manifest("t/app", "1", {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": listed})


async def test_an_index(images: Images, registries: Registries, registry: FaultyRegistry, told: Told) -> None:
    for architecture in ("amd64", "arm64"):
        registry.add_image(
            "t/app", architecture, [layer_tar(f=architecture.encode())], config={"architecture": architecture}
        )
    registry.add_image("t/app", "proof", [layer_tar(f=b"attestation")])
    attestation = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    _index(
        registry,
        ("proof", "unknown/unknown", attestation),
        ("arm64", "linux/arm64/v8", {}),
        ("amd64", "linux/amd64", {}),
    )
    image = await _pull(images, registries, registry, told)
    assert image.config.architecture == "amd64"
    root = sha256(registry.manifests["t/app", "1"][0])
    assert {"status": f"Digest: {root}"} in told
    kept = images.store.get(image.id)
    assert kept is not None and kept.repo_digests == (f"{registry.host}/t/app@{root}",)
    other = await _pull(images, registries, registry, told, "linux/arm64")
    assert other.config.architecture == "arm64"
    with pytest.raises(NotFound, match=r"^no matching manifest for linux/s390x in the manifest list entries$"):
        await _pull(images, registries, registry, told, "linux/s390x")


async def test_a_list_is_believed_before_a_config(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    """Many an image for ARM was built with a config that says amd64."""
    registry.add_image("t/app", "arm", [layer_tar(f=b"x")])
    _index(registry, ("arm", "linux/arm64/v8", {}))
    assert (await _pull(images, registries, registry, told, "linux/arm64")).config.architecture == "amd64"
    with pytest.raises(
        NotFound, match="does not match the specified platform: wanted linux/arm64, actual: linux/amd64"
    ):
        await _pull(images, registries, registry, told, "linux/arm64", "arm")


async def test_an_index_of_itself_and_of_indexes(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_manifest("t/app", "inner", {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": []})
    for _ in range(6):
        _index(registry, ("inner" if _ == 0 else "1", "linux/amd64", {}))
    with pytest.raises(DataCorrupted, match="holds nothing but manifest lists"):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


async def test_a_missing_layer(images: Images, registries: Registries, registry: FaultyRegistry, told: Told) -> None:
    registry.add_image("t/app", "1", [_big(), layer_tar(f=b"x")])
    del registry.blobs[max(registry.blobs, key=lambda each: len(registry.blobs[each]))]
    with pytest.raises(NotFound, match=r"^unknown blob: sha256:"):
        await _pull(images, registries, registry, told)
    await _nothing_left(images)


async def test_a_pull_that_breaks_off_leaves_nothing_to_the_collector(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    """What reads the blob is closed at once: asyncio cannot close one that waits inside another."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    registry.add_image("t/app", "1", [b"no tar" + os.urandom(20_000_000)])
    with pytest.raises(DataCorrupted, match=r"^failed to register layer: archive/tar: invalid tar header$"):
        await _pull(images, registries, registry, told)
    for _ in range(10):
        gc.collect()
        await asyncio.sleep(0)
    assert complaints == []
    await _nothing_left(images)


async def test_a_registry_that_falls_silent(images: Images, registry: FaultyRegistry, told: Told) -> None:
    registries = Registries(Settings(first_delay=0.001, longest_delay=0.5, stall_timeout=2))
    registry.add_image("t/app", "1", [_big()])
    registry.misbehave("GET .*/blobs/", cut(after=500_000, stall=True), times=2)
    registry.misbehave("GET .*/blobs/", hang)
    with pytest.raises(PierError, match="no answer within 2 s: context deadline exceeded"):
        await _pull(images, registries, registry, told)
    await registries.close()
    await _nothing_left(images)


async def test_a_cancelled_pull_stops_at_once(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    reached = asyncio.Event()

    async def stuck(self: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        reached.set()
        return await hang(self, request)

    registry.add_image("t/app", "1", [_big(), layer_tar(f=b"x")])
    big = max(registry.blobs, key=lambda each: len(registry.blobs[each]))
    registry.misbehave(f"GET .*/blobs/{big}", stuck)
    task = asyncio.create_task(_pull(images, registries, registry, told))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _nothing_left(images)


async def test_layers_wait_for_a_slot(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_image("t/app", "1", [layer_tar(**{f"f{number}": b"x" * 1000}) for number in range(6)])
    await _pull(images, registries, registry, told)
    assert sum(each.get("status") == "Waiting" for each in told) == 3
    assert sum(each.get("status") == "Pull complete" for each in told) == 6


async def test_layers_that_are_here_are_not_fetched(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    base = _big()
    registry.add_image("t/app", "1", [base])
    await _pull(images, registries, registry, told)
    registry.served = 0
    registry.add_image("t/app", "2", [base, layer_tar(more=b"x")])
    await _pull(images, registries, registry, told, tag="2")
    assert registry.served < 10_000
    assert "Already exists" in [each.get("status") for each in told]


async def test_a_layer_twice_in_one_image(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    layer = layer_tar(f=b"x")
    registry.add_image("t/app", "1", [layer, layer, layer])
    image = await _pull(images, registries, registry, told)
    assert len(set(image.chain_ids)) == 3


async def test_an_image_without_layers(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    registry.add_image("t/app", "1", [])
    image = await _pull(images, registries, registry, told)
    assert image.chain_ids == ()


@pytest.mark.parametrize("kind", ["zstd", "plain"])
async def test_other_compressions(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told, kind: str
) -> None:
    import zstandard

    tar = layer_tar(f=b"x" * 5000)
    blob = zstandard.compress(tar) if kind == "zstd" else tar
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]}}
    body = json.dumps(config).encode()
    layer_type = mediatypes.OCI_LAYER_ZSTD if kind == "zstd" else mediatypes.OCI_LAYER
    manifest = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": {"mediaType": mediatypes.OCI_CONFIG, "digest": registry.add_blob(body), "size": len(body)},
        "layers": [{"mediaType": layer_type, "digest": registry.add_blob(blob), "size": len(blob)}],
    }
    registry.add_manifest("t/app", "1", manifest)
    image = await _pull(images, registries, registry, told)
    assert (images.snapshots.layer(image.chain_ids[0]).root / "f").read_bytes() == b"x" * 5000


async def test_a_foreign_layer_comes_from_where_it_says(
    images: Images, registries: Registries, registry: FaultyRegistry, told: Told
) -> None:
    """The registry need not have it; the other server sees no password."""
    tar = layer_tar(f=b"x")
    blob = gzip.compress(tar)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]}}
    body = json.dumps(config).encode()
    async with faulty_registry() as elsewhere:
        url = f"http://{elsewhere.host}/v2/x/blobs/{elsewhere.add_blob(blob)}"
        layer = {"mediaType": mediatypes.DOCKER_FOREIGN_LAYER, "digest": sha256(blob), "size": len(blob)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": mediatypes.DOCKER_MANIFEST,
            "config": {"mediaType": mediatypes.DOCKER_CONFIG, "digest": registry.add_blob(body), "size": len(body)},
            "layers": [{**layer, "urls": ["ftp://nowhere", url]}],
        }
        registry.add_manifest("t/app", "1", manifest)
        reference = parse_reference(f"{registry.host}/t/app:1")
        credentials = Credentials(registry_token="secret")
        image = await pull(images, registries, reference, None, credentials, told)
        assert [headers.get("Authorization") for headers in elsewhere.headers] == [None]
    assert "Bearer secret" in [headers.get("Authorization") for headers in registry.headers]
    assert (images.snapshots.layer(image.chain_ids[0]).root / "f").read_bytes() == b"x"


async def test_ipv6(images: Images, registries: Registries, told: Told) -> None:
    async with faulty_registry("::1") as registry:
        registry.add_image("t/app", "1", [layer_tar(f=b"x")])
        await _pull(images, registries, registry, told)
    assert [image.repo_tags for image in images.store.list()] == [(f"{registry.host}/t/app:1",)]


async def test_an_image_of_another_system(
    registry: FaultyRegistry, images: Images, registries: Registries, told: Told
) -> None:
    registry.add_image("t/app", "1", [layer_tar(f=b"x")], config={"os": "windows"})
    expected = 'image operating system "windows" cannot be used on this platform: operating system is not supported'
    for platform in (None, parse_platform("windows/amd64")):
        with pytest.raises(Unsupported) as caught:
            await pull(images, registries, parse_reference(f"{registry.host}/t/app:1"), platform, None, told)
        assert str(caught.value) == expected
    assert layers_left(images) == []
