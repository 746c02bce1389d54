"""Archives taken in: every form, every order of entries, and those that mean harm."""

import asyncio
import bz2
import gzip
import json
import lzma
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from pier.errors import DataCorrupted, InvalidArgument, NoSpace, PierError
from pier.images import archive, remove
from pier.images.deps import Images
from pier.images.image import Image
from pier.linux.mount import Mount, mount, unmount
from pier.oci.digest import Digest
from pier.oci.reference import parse_reference
from pier.testing.images import Told, layers_left, make_images, pieces
from pier.testing.tars import END, Saved, blob_name, digest, entry, folder, symlink, tar

BASE = tar(folder("etc/"), entry("etc/name", b"base"))
MIDDLE = tar(entry("data", os.urandom(400_000)))
TOP = tar(entry("etc/.wh.name"), entry("top", b"top"))
SAVED = Saved([BASE, MIDDLE, TOP], ["x:1", "localhost:5000/y:2"])
OCI_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_CONFIG, HELM = "application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json"


async def load(images: Images, data: bytes, told: Told | None = None) -> list[Image]:
    return await archive.load(images, pieces(data), told if told is not None else Told())


def streams(told: Told) -> list[str]:
    return [message["stream"] for message in told if "stream" in message]


def nothing_left(images: Images) -> None:
    assert images.snapshots.layers() == {}
    assert images.snapshots.verify() == []
    assert layers_left(images) == []
    assert list(images.content.walk()) == []
    assert list(images.store.list()) == []
    assert images.journal.pending() == []


async def refused(images: Images, data: bytes, kind: type[PierError] = DataCorrupted) -> str:
    with pytest.raises(kind) as caught:
        await load(images, data)
    assert "\n" not in str(caught.value)
    nothing_left(images)
    return str(caught.value)


def check(images: Images, image_id: str = SAVED.image_id) -> None:
    image = images.store.get(Digest(image_id))
    assert image is not None
    assert image.diff_ids == [digest(BASE), digest(MIDDLE), digest(TOP)]
    assert image.repo_tags == ("docker.io/library/x:1", "localhost:5000/y:2")
    roots = [images.snapshots.layer(chain_id).root for chain_id in image.chain_ids]
    assert (roots[0] / "etc/name").read_bytes() == b"base"
    assert (roots[1] / "data").stat().st_size == 400_000
    assert (roots[2] / "top").read_bytes() == b"top"
    assert image.size == 4 + 400_000 + 3
    assert images.content.read(image.id) == SAVED.config_bytes
    assert images.snapshots.verify() == []
    assert images.journal.pending() == []


async def test_a_docker_archive(images: Images, told: Told) -> None:
    await load(images, SAVED.legacy(), told)
    check(images)
    assert streams(told) == ["Loaded image: x:1\n", "Loaded image: localhost:5000/y:2\n"]
    assert any(message.get("status") == "Loading layer" for message in told)


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [4, 3, 0, 1, 2], [3, 4, 2, 1, 0], [0, 4, 1, 3, 2]])
async def test_entries_in_any_order(images: Images, order: list[int]) -> None:
    entries = SAVED.legacy_entries()
    await load(images, tar(*(entries[index] for index in order)))
    check(images)


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, bz2.compress, lzma.compress, zstandard.compress],
    ids=["gzip", "bzip2", "xz", "zstd"],
)
async def test_compressed_archives(images: Images, pack: Callable[[bytes], bytes]) -> None:
    await load(images, pack(SAVED.legacy()))
    check(images)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress], ids=["gzip", "xz", "zstd"])
async def test_compressed_layers(images: Images, pack: Callable[[bytes], bytes]) -> None:
    await load(images, Saved(SAVED.layers, SAVED.tags, [pack(layer) for layer in SAVED.layers]).legacy())
    check(images)


@pytest.mark.parametrize("size", [1, 511, 4096])
async def test_a_stream_in_small_pieces(images: Images, size: int) -> None:
    data = Saved([BASE], ["x:1"]).legacy()

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    (image,) = await archive.load(images, slowly(), Told())
    assert image.repo_tags == ("docker.io/library/x:1",)


async def test_links_between_layers(images: Images) -> None:
    """Docker before 25 writes a layer that several images share once, and symlinks to it."""
    saved = Saved([BASE, BASE], ["x:1"])
    entries = saved.legacy_entries()
    second = json.loads(entries[3][512:].rstrip(b"\0"))[0]["Layers"]
    linked = symlink(second[1], f"../{second[0]}")
    (image,) = await load(images, tar(entries[0], linked, *entries[2:]))
    assert image.diff_ids == [digest(BASE)] * 2
    assert len(images.snapshots.layers()) == 2
    assert images.snapshots.verify() == []


async def test_several_images_share_layers(images: Images, told: Told) -> None:
    one, two = Saved([BASE, MIDDLE], ["a:1"]), Saved([BASE, TOP], [], config={"author": "x"})
    listing = [json.loads(each.legacy_entries()[-1][512:].rstrip(b"\0"))[0] for each in (one, two)]
    data = tar(
        *one.legacy_entries()[:-1], *two.legacy_entries()[:-1], entry("manifest.json", json.dumps(listing).encode())
    )
    await load(images, data, told)
    assert streams(told) == ["Loaded image: a:1\n", f"Loaded image ID: {two.image_id}\n"]
    assert len(images.snapshots.layers()) == 3


async def test_loading_again_changes_nothing(images: Images) -> None:
    await load(images, SAVED.legacy())
    before = (images.snapshots.layers(), [image.chain_ids for image in images.store.list()])
    await load(images, SAVED.legacy())
    check(images)
    assert (images.snapshots.layers(), [image.chain_ids for image in images.store.list()]) == before


async def test_a_tag_that_moves(images: Images, told: Told) -> None:
    old = Saved([MIDDLE], ["x:1"])
    await load(images, old.legacy())
    await load(images, SAVED.legacy(), told)
    check(images)
    assert streams(told)[0] == (
        f"The image x:1 already exists, renaming the old one with ID {old.image_id} to empty string\n"
    )


async def test_an_oci_layout(images: Images, told: Told) -> None:
    names = ["docker.io/library/x:1", "localhost:5000/y:2"]
    await load(images, SAVED.oci(names=names), told)
    check(images)
    image = images.store.get(Digest(SAVED.image_id))
    assert image is not None and image.manifest is not None
    assert images.content.exists(image.manifest.digest)
    assert streams(told) == ["Loaded image: x:1\n", "Loaded image: localhost:5000/y:2\n"]


async def test_the_blobs_of_a_compressed_oci_layout_are_kept(images: Images) -> None:
    stored = [gzip.compress(layer) for layer in SAVED.layers]
    (image,) = await load(images, Saved(SAVED.layers, (), stored).oci(OCI_GZIP))
    for diff_id, blob in zip(image.diff_ids, stored, strict=True):
        (descriptor,) = images.store.blob_of(diff_id)
        assert (descriptor.digest, descriptor.size, descriptor.media_type) == (digest(blob), len(blob), OCI_GZIP)
        assert images.content.read(descriptor.digest) == blob
    assert image.manifest is not None


async def test_layers_that_are_here_are_only_checked(images: Images) -> None:
    await load(images, SAVED.oci(names=["x:1", "localhost:5000/y:2"]))
    folders = layers_left(images)
    await load(images, SAVED.oci())
    check(images)
    assert layers_left(images) == folders


async def test_a_layer_that_is_here_under_another_parent(images: Images) -> None:
    await load(images, Saved([MIDDLE], ["a:1"]).oci())
    await load(images, SAVED.oci(names=["x:1", "localhost:5000/y:2"]))
    check(images)


async def test_a_layer_claims_to_be_here(images: Images) -> None:
    """Its name is that of a layer that we have; its bytes are others."""
    await load(images, Saved([BASE], ["a:1"]).oci())
    evil = Saved([BASE], ["b:1"]).oci().replace(b"base", b"evil")
    with pytest.raises(DataCorrupted, match="has the digest"):
        await load(images, evil)
    assert images.store.resolve(parse_reference("b:1")) is None
    assert images.snapshots.verify() == []


async def test_an_index_of_platforms(images: Images) -> None:
    """Of several platforms ours is taken; attestations and artifacts are passed over."""
    ours, theirs = SAVED, Saved([BASE], [], config={"architecture": "s390x"})
    kind = "application/vnd.oci.image.manifest.v1+json"
    entries, manifests = [], []
    for each, architecture, what in ((theirs, "s390x", OCI_CONFIG), (theirs, "amd64", HELM), (ours, None, OCI_CONFIG)):
        layers = [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(b), "size": len(b)}
            for b in each.layers
        ]
        config = {"mediaType": what, "digest": each.image_id, "size": len(each.config_bytes)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}).encode()
        described = {"mediaType": kind, "digest": digest(manifest), "size": len(manifest)}
        if architecture:
            described["platform"] = {"os": "linux", "architecture": architecture}
        manifests.append(described)
        entries += [entry(blob_name(blob), blob) for blob in (manifest, each.config_bytes, *each.layers)]
    manifests.append({**manifests[0], "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
    inner = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    outer = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest(inner), "size": len(inner)}
    index = {"schemaVersion": 2, "manifests": [{**outer, "annotations": {"org.opencontainers.image.ref.name": "q:1"}}]}
    (image,) = await load(
        images, tar(*entries, entry(blob_name(inner), inner), entry("index.json", json.dumps(index).encode()))
    )
    assert (image.id, image.repo_tags) == (ours.image_id, ("docker.io/library/q:1",))
    assert images.store.resolve(parse_reference("q:1")) == ours.image_id


async def test_an_image_without_layers(images: Images) -> None:
    (image,) = await load(images, Saved([], ["empty:1"]).legacy())
    assert (image.top, image.size) == (None, 0)


async def test_an_empty_layer(images: Images) -> None:
    (image,) = await load(images, Saved([END, BASE], ["x:1"]).legacy())
    assert image.size == 4


# --- archives that mean harm, or are broken ---


async def test_truncated_everywhere(images: Images) -> None:
    data = Saved([BASE, TOP], ["x:1"]).legacy()
    end = len(data) - len(END)
    for cut in [10, 511, 512, 513, 1500, 3000, 5000, end - 1500, end - 600]:
        message = await refused(images, data[:cut], PierError)
        assert message == "unexpected EOF" or "the archive" in message, (cut, message)


async def test_a_truncated_compressed_archive(images: Images) -> None:
    data = gzip.compress(SAVED.legacy())
    assert "unexpected EOF" in await refused(images, data[: len(data) // 2])
    await refused(images, data[:300] + b"\xff" * 3000 + data[3300:])


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", InvalidArgument, "holds no image"),
        (tar(), InvalidArgument, "holds no image"),
        (b"root:x:0:0:root:/root:/bin/bash\n" * 40, DataCorrupted, "archive/tar: invalid tar header"),
        (tar(entry("a", b"b")), InvalidArgument, "neither a manifest.json nor an index.json"),
        (tar(entry("repositories", b"{}")), InvalidArgument, "before 1.10"),
        (tar(entry("manifest.json", b"{}")), DataCorrupted, "invalid manifest.json"),
        (tar(entry("manifest.json", b"[" * 100_000)), DataCorrupted, "invalid manifest.json"),
        (tar(entry("manifest.json", b'[{"Config":"../../etc/passwd"}]')), DataCorrupted, "the archive has no"),
        (
            tar(entry("manifest.json", b'[{"Config":"c"}]'), entry("c", b"nonsense")),
            DataCorrupted,
            "invalid image config",
        ),
        (tar(entry("index.json", b'{"schemaVersion":2,"layers":[]}')), DataCorrupted, "invalid"),
        (tar(entry("../manifest.json", b"[]")), DataCorrupted, "outside"),
        (tar(symlink("x", "../../../etc/passwd")), DataCorrupted, "outside"),
        (tar(*[entry(f"f{number}") for number in range(20_001)]), DataCorrupted, "more than 20000 entries"),
        (tar(*[entry(f"f{number}", b"{" * 7_000_000) for number in range(10)]), DataCorrupted, "too many files"),
    ],
)
async def test_what_is_refused(images: Images, data: bytes, kind: type[PierError], message: str) -> None:
    assert message in await refused(images, data, kind)


async def test_symlinks_in_circles(images: Images) -> None:
    data = tar(symlink("manifest.json", "index.json"), symlink("index.json", "manifest.json"))
    assert "holds no image" in await refused(images, data, InvalidArgument)


async def test_a_layer_with_another_digest(images: Images) -> None:
    wrong = Saved([BASE, MIDDLE], ["x:1"], stored=[BASE, TOP])
    message = await refused(images, wrong.legacy())
    assert message == f'invalid diffID for layer 1: expected "{digest(MIDDLE)}", got "{digest(TOP)}"'


async def test_a_blob_with_another_digest(images: Images) -> None:
    data = SAVED.oci().replace(b"base", b"evil")
    assert "has the digest" in await refused(images, data)
    config = SAVED.oci().replace(b'"os": "linux"', b'"os": "LINUX"')
    assert "does not have that digest" in await refused(images, config)


async def test_layers_are_missing_or_too_many(images: Images) -> None:
    entries = SAVED.legacy_entries()
    assert "the archive has no layer" in await refused(images, tar(entries[0], *entries[2:]))
    listing = json.loads(entries[-1][512:].rstrip(b"\0"))
    listing[0]["Layers"].pop()
    data = tar(*entries[:-1], entry("manifest.json", json.dumps(listing).encode()))
    assert await refused(images, data) == "invalid manifest, layers length mismatch: expected 2, got 3"


@pytest.mark.parametrize("name", ["Bad:1", "a b:1", "../x:1", "x@sha256:" + "a" * 64])
async def test_bad_names(images: Images, name: str) -> None:
    await refused(images, Saved([BASE], [name]).legacy(), InvalidArgument)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (tar(entry("../../../../etc/cron.d/evil", b"x")), "outside of the layer"),
        (tar(entry(".wh..")), "invalid whiteout"),
        (tar(entry("x", b"y" * 5000))[:2000], "unexpected EOF"),
        (tar(entry("d/" * 10_000 + "x")), "too long"),
    ],
)
async def test_bad_layers(images: Images, layer: bytes, message: str) -> None:
    assert message in await refused(images, Saved([BASE, layer, TOP]).legacy())


async def test_a_bad_layer_after_a_good_image(images: Images) -> None:
    """What another image needs stays when a load fails."""
    await load(images, Saved([BASE], ["keep:1"]).legacy())
    with pytest.raises(DataCorrupted):
        await load(images, Saved([BASE, tar(entry("../x"))], ["x:1"]).legacy())
    assert len(images.snapshots.layers()) == 1
    assert images.snapshots.verify() == []
    assert len(list(images.content.walk())) == 1


async def test_a_client_that_goes_away(images: Images) -> None:
    data = SAVED.legacy()

    async def breaking() -> AsyncIterator[bytes]:
        yield data[:200_000]
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await archive.load(images, breaking(), Told())
    nothing_left(images)


async def test_a_load_that_is_cancelled(images: Images) -> None:
    reached = asyncio.Event()
    data = SAVED.legacy()

    async def hanging() -> AsyncIterator[bytes]:
        yield data[:200_000]
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(archive.load(images, hanging(), Told()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    nothing_left(images)


async def test_a_full_disk(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mount(Mount("tmpfs", "tmpfs", place, ("size=16m",)))
    try:
        images = make_images(place / "root")
        big = Saved([BASE, tar(*(entry(f"f{number}", os.urandom(500_000)) for number in range(40)))])
        assert "no space left on device" in await refused(images, big.legacy(), NoSpace)
        images.snapshots.close()
        await load(images, SAVED.legacy())
        check(images)
        fill(place / "filler")
        await remove.remove(images, SAVED.image_id, force=True, prune_children=True, in_use=lambda _: [])
        images.snapshots.close()
        nothing_left(images)
        images.content.close()
    finally:
        unmount(place, detach=True)


def fill(path: Path) -> None:
    """Leave not a byte on the file system."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_loads_at_once(images: Images) -> None:
    compressed = Saved(SAVED.layers, (), [gzip.compress(layer) for layer in SAVED.layers]).oci(OCI_GZIP)
    await asyncio.gather(*(load(images, data) for data in (SAVED.legacy(), SAVED.legacy(), compressed, compressed)))
    check(images)
    assert len(images.snapshots.layers()) == 3
