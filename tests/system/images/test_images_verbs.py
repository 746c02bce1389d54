"""Save, import, tag, history, remove and prune, on real layers."""

import io
import json
import os
import tarfile
import time
from collections.abc import Sequence

import msgspec
import pytest

from pier.errors import Conflict, DataCorrupted, InvalidArgument, NotFound
from pier.events.filters import NO_FILTERS, Filters
from pier.images import archive, history, importing, lookup, prune, remove, tag
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.importing import ImportOptions, commit_upper
from pier.images.register import register
from pier.images.release import collect, release_layers
from pier.oci.digest import Digest
from pier.oci.image import HistoryEntry
from pier.oci.reference import parse_reference
from pier.testing.images import Told, layers_left, pieces
from pier.testing.snapshots import make_layer, mounted
from pier.testing.tars import Saved, digest, entry, tar

BASE = tar(entry("base", b"base"))
TOP = tar(entry("top", os.urandom(300_000)))
OTHER = tar(entry("other", b"other"))


async def load(images: Images, layers: Sequence[bytes], tags: Sequence[str] = (), **config: object) -> Image:
    return (await archive.load(images, pieces(Saved(layers, tags, config=dict(config)).legacy()), Told()))[0]


async def saved(images: Images, *names: str) -> bytes:
    return b"".join([piece async for piece in archive.save(images, names)])


def unused(image_id: Digest) -> list[tuple[str, bool]]:
    return []


def stopped(image_id: Digest) -> list[tuple[str, bool]]:
    return [("c" * 64, False)]


def running(image_id: Digest) -> list[tuple[str, bool]]:
    return [("c" * 64, True)]


async def rmi(images: Images, name: str, in_use: remove.InUse = unused, force: bool = False) -> list[dict[str, str]]:
    return await remove.remove(images, name, force=force, prune_children=True, in_use=in_use)


# --- save ---


async def test_save_has_the_form_of_docker(images: Images) -> None:
    image = await load(images, [BASE, TOP], ["x:1", "localhost:5000/y:2"])
    with tarfile.open(fileobj=io.BytesIO(await saved(images, "x:1", "localhost:5000/y:2"))) as found:
        files = {member.name: found.extractfile(member) for member in found.getmembers() if member.isfile()}
        data = {name: file.read() for name, file in files.items() if file is not None}
    for name, blob in data.items():
        if name.startswith("blobs/"):
            assert digest(blob) == "sha256:" + name.rpartition("/")[2]
    (item,) = json.loads(data["manifest.json"])
    assert item["Config"] == f"blobs/sha256/{image.id[7:]}"
    assert item["RepoTags"] == ["x:1", "localhost:5000/y:2"]
    assert [data[name] for name in item["Layers"]] == [BASE, TOP]
    assert item["LayerSources"][digest(BASE)]["size"] == len(BASE)
    assert json.loads(data["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(data["repositories"])["x"] == {"1": digest(TOP)[7:]}
    entries = json.loads(data["index.json"])["manifests"]
    assert [each["annotations"]["io.containerd.image.name"] for each in entries] == [
        "docker.io/library/x:1",
        "localhost:5000/y:2",
    ]
    manifest = json.loads(data[f"blobs/sha256/{entries[0]['digest'][7:]}"])
    assert [each["digest"] for each in manifest["layers"]] == [digest(BASE), digest(TOP)]


async def test_what_is_saved_is_loaded_elsewhere(images: Images, others: Images, told: Told) -> None:
    one = await load(images, [BASE, TOP], ["x:1", "x:2", "y:1"])
    two = await load(images, [BASE, OTHER], [], author="someone")
    data = await saved(images, "x", "y:1", two.id)
    await archive.load(others, pieces(data), told)
    assert [message["stream"] for message in told if "stream" in message] == [
        "Loaded image: x:1\n",
        "Loaded image: x:2\n",
        "Loaded image: y:1\n",
        f"Loaded image ID: {two.id}\n",
    ]
    found = others.store.get(one.id)
    assert found is not None and found.size == one.size
    assert others.snapshots.layers().keys() == images.snapshots.layers().keys()
    assert await saved(others, "x", "y:1", two.id) == data


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch:1", "reference does not exist"),
        ("nosuch", "No such image: nosuch"),
        ("abcdef123456", "No such image: abcdef123456"),
        ("sha256:" + "a" * 64, "No such image: sha256:" + "a" * 64),
    ],
)
async def test_saving_what_is_not_there(images: Images, name: str, message: str) -> None:
    with pytest.raises(NotFound) as caught:
        archive.save(images, [name])
    assert str(caught.value) == message


async def test_saving_a_bad_name(images: Images) -> None:
    with pytest.raises(InvalidArgument, match="must be lowercase"):
        archive.save(images, ["BAD"])


async def test_saving_by_a_prefix_of_the_id(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    with tarfile.open(fileobj=io.BytesIO(await saved(images, image.id[7:19]))) as found:
        file = found.extractfile("manifest.json")
        assert file is not None and json.load(file)[0]["RepoTags"] is None


async def test_a_layer_that_was_tampered_with_is_not_given_out(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    (images.snapshots.layer(image.chain_ids[0]).root / "base").write_bytes(b"evil")
    with pytest.raises(DataCorrupted, match="has changed on disk"):
        await saved(images, "x:1")


# --- import and commit ---


async def test_import(images: Images, told: Told) -> None:
    options = ImportOptions(parse_reference("imp:t"), ("CMD x", "ENV A=b"), "hello")
    image = await importing.import_tar(images, pieces(BASE), options, told)
    assert image.id == lookup.find(images, "imp:t").id
    assert (image.config.config.cmd, image.config.config.env) == (["/bin/sh", "-c", "x"], ["A=b"])
    assert (image.config.comment, image.size) == ("hello", 4)
    assert told[-1] == {"status": image.id}
    (step,) = history.history(images, "imp:t")
    assert (step["Id"], step["Comment"], step["Size"]) == (image.id, "hello", 4)


@pytest.mark.parametrize("data", [BASE[:700], b"nonsense" * 100])
async def test_a_broken_import(images: Images, data: bytes) -> None:
    with pytest.raises(DataCorrupted):
        await importing.import_tar(images, pieces(data), ImportOptions(), Told())
    assert (layers_left(images), list(images.store.list()), list(images.content.walk())) == ([], [], [])


async def test_a_bad_change_is_seen_before_anything_is_made(images: Images) -> None:
    with pytest.raises(InvalidArgument, match="FOO is not a valid change command"):
        await importing.import_tar(images, pieces(BASE), ImportOptions(changes=("FOO x",)), Told())
    assert layers_left(images) == []


async def test_committing_a_container(images: Images) -> None:
    parent = await load(images, [BASE], ["x:1"])
    images.snapshots.create_rw("c1", parent.top)
    with mounted(images.snapshots, "c1") as root:
        (root / "base").unlink()
        (root / "new").write_text("new")
    step = HistoryEntry(created="2024-01-01T00:00:00Z", created_by="sh", comment="why")
    child = await commit_upper(images, "c1", parent, parent.config.config, step, "me")
    assert (child.parent, child.chain_ids[0], child.config.author) == (parent.id, parent.top, "me")
    images.snapshots.create_rw("c2", child.top)
    with mounted(images.snapshots, "c2") as root:
        assert (root / "new").read_text() == "new"
        assert not (root / "base").exists()
    assert [each["Id"] for each in history.history(images, child.id)] == [child.id]
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images"):
        await rmi(images, parent.id, force=True)


# --- lookup and tag ---


async def test_finding_images(images: Images) -> None:
    image = await load(images, [BASE], ["x:latest", "localhost:5000/y:2"])
    for name in (
        "x",
        "x:latest",
        "docker.io/library/x",
        "localhost:5000/y:2",
        image.id,
        image.id[7:],
        image.id[7:10],
        image.id[:20],
    ):
        assert lookup.find(images, name).id == image.id
    for name, shown in (("nosuch", "nosuch:latest"), ("x:2", "x:2"), ("y:2", "y:2"), ("f" * 64, "sha256:" + "f" * 64)):
        with pytest.raises(NotFound) as caught:
            lookup.find(images, name)
        assert str(caught.value) == f"No such image: {shown}"
    with pytest.raises(InvalidArgument, match="invalid reference format"):
        lookup.find(images, "x y")
    with pytest.raises(InvalidArgument, match="must be lowercase"):
        lookup.find(images, "X")


async def test_a_name_goes_before_a_prefix(images: Images) -> None:
    one, two = await load(images, [BASE]), await load(images, [TOP])
    tag.tag(images, one.id, parse_reference(two.id[7:11]))
    assert lookup.find(images, two.id[7:11]).id == one.id


async def test_tagging(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    tag.tag(images, "x:1", parse_reference("other/name"))
    assert lookup.find(images, "other/name:latest").id == image.id
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        tag.tag(images, "nosuch", parse_reference("y"))
    with pytest.raises(InvalidArgument, match="refusing to create a tag with a digest reference"):
        tag.tag(images, "x:1", parse_reference("y@" + image.id))


# --- remove ---


async def test_removing_the_last_name_removes_the_image(images: Images) -> None:
    image = await load(images, [BASE, TOP], ["x:1"])
    assert await rmi(images, "x:1") == [
        {"Untagged": "x:1"},
        {"Deleted": image.id},
        {"Deleted": image.chain_ids[1]},
        {"Deleted": image.chain_ids[0]},
    ]
    assert (layers_left(images), list(images.content.walk()), images.journal.pending()) == ([], [], [])


async def test_removing_one_of_two_names(images: Images) -> None:
    image = await load(images, [BASE], ["x:1", "x:2"])
    assert await rmi(images, "x:1") == [{"Untagged": "x:1"}]
    assert lookup.find(images, "x:2").id == image.id


async def test_shared_layers_stay(images: Images) -> None:
    one = await load(images, [BASE, TOP], ["x:1"])
    two = await load(images, [BASE, OTHER], ["y:1"])
    assert {"Deleted": one.chain_ids[0]} not in await rmi(images, "x:1")
    assert (images.snapshots.layer(two.chain_ids[0]).root / "base").exists()
    assert {"Deleted": two.chain_ids[0]} in await rmi(images, "y:1")


async def test_removing_by_id(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    assert (await rmi(images, image.id[7:19]))[:2] == [{"Untagged": "x:1"}, {"Deleted": image.id}]


async def test_removing_by_id_with_several_names(images: Images) -> None:
    image = await load(images, [BASE], ["x:1", "y:1"])
    with pytest.raises(Conflict) as caught:
        await rmi(images, image.id)
    assert str(caught.value) == (
        f"conflict: unable to delete {image.id[7:19]} (must be forced) - image is referenced in multiple repositories"
    )
    assert (await rmi(images, image.id, force=True))[:2] == [{"Untagged": "x:1"}, {"Untagged": "y:1"}]


async def test_images_in_use(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    key, short = "c" * 12, image.id[7:19]
    with pytest.raises(Conflict) as caught:
        await rmi(images, "x:1", stopped)
    assert str(caught.value) == (
        f'conflict: unable to remove repository reference "x:1" (must force) - container {key} '
        f"is using its referenced image {short}"
    )
    with pytest.raises(Conflict) as caught:
        await rmi(images, image.id, stopped)
    assert str(caught.value) == (
        f"conflict: unable to delete {short} (must be forced) - image is being used by stopped container {key}"
    )
    with pytest.raises(Conflict) as caught:
        await rmi(images, image.id, running, force=True)
    assert str(caught.value) == (
        f"conflict: unable to delete {short} (cannot be forced) - image is being used by running container {key}"
    )
    assert await rmi(images, "x:1", running, force=True) == [{"Untagged": "x:1"}]
    assert images.store.get(image.id) is not None


async def test_forcing_away_the_image_of_a_stopped_container(images: Images) -> None:
    """The container keeps its layers, and takes them along when it goes."""
    image = await load(images, [BASE, TOP], ["x:1"])
    images.snapshots.create_rw("c1", image.top)
    assert await rmi(images, "x:1", stopped, force=True) == [{"Untagged": "x:1"}, {"Deleted": image.id}]
    assert images.store.get(image.id) is None
    with mounted(images.snapshots, "c1") as root:
        assert (root / "base").exists()
    images.snapshots.remove_rw("c1")
    assert len(await release_layers(images, image.top)) == 2
    assert layers_left(images) == []


async def test_removing_what_is_not_there(images: Images) -> None:
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        await rmi(images, "nosuch")


async def test_repo_digests_go_with_the_last_tag(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    images.store.tag(parse_reference(f"x@{image.id}"), image.id)
    assert (await rmi(images, "x:1"))[:3] == [
        {"Untagged": "x:1"},
        {"Untagged": f"x@{image.id}"},
        {"Deleted": image.id},
    ]


async def test_nameless_parents_go_too(images: Images) -> None:
    parent = await load(images, [BASE])
    config = msgspec.json.encode({"rootfs": {"type": "layers", "diff_ids": parent.diff_ids}, "author": "child"})
    child = await register(images, config, parent=parent.id)
    images.store.tag(parse_reference("child:1"), child.id)
    deleted = await rmi(images, "child:1")
    assert {"Deleted": parent.id} in deleted
    assert layers_left(images) == []


async def test_events(images: Images) -> None:
    image = await load(images, [BASE], ["x:1"])
    tag.tag(images, "x:1", parse_reference("y:1"))
    await rmi(images, "x:1")
    await rmi(images, "y:1")
    subscription = images.events.subscribe(since_ns=0, until_ns=time.time_ns())
    assert [(event.action, event.attributes["name"]) async for event in subscription] == [
        ("tag", "x:1"),
        ("load", image.id),
        ("tag", "y:1"),
        ("untag", image.id),
        ("untag", image.id),
        ("delete", image.id),
    ]


# --- prune ---


async def test_pruning_nameless_images(images: Images) -> None:
    await load(images, [BASE], ["x:1"])
    nameless = await load(images, [TOP])
    pruned = await prune.prune(images, NO_FILTERS, in_use=unused)
    assert {"Deleted": nameless.id} in pruned.deleted
    assert pruned.reclaimed == 300_000
    assert [image.repo_tags for image in images.store.list()] == [("docker.io/library/x:1",)]


async def test_pruning_all_unused_images(images: Images) -> None:
    kept = await load(images, [BASE], ["x:1"])
    await load(images, [TOP], ["y:1"], config={"Labels": {"keep": "yes"}})
    gone = await load(images, [OTHER], ["z:1"])
    filters = Filters({"dangling": ("false",), "label!": ("keep",)})
    pruned = await prune.prune(images, filters, in_use=lambda each: running(each) if each == kept.id else [])
    assert pruned.deleted == [{"Untagged": "z:1"}, {"Deleted": gone.id}, {"Deleted": gone.chain_ids[0]}]


async def test_pruning_until(images: Images) -> None:
    await load(images, [BASE], created="2020-01-01T00:00:00Z")
    await load(images, [TOP], created="2099-01-01T00:00:00Z")
    pruned = await prune.prune(images, Filters({"until": ("24h",)}), in_use=unused)
    assert len(images.store.list()) == 1
    assert pruned.reclaimed == 4


async def test_prune_refuses_unknown_filters(images: Images) -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'foo'"):
        await prune.prune(images, Filters({"foo": ("x",)}), in_use=unused)


async def test_collecting_what_nothing_needs(images: Images) -> None:
    kept = await load(images, [BASE], ["x:1"])
    loose = make_layer(images.snapshots, None, {"a": "12345"})
    busy = make_layer(images.snapshots, None, {"b": "1"})
    images.content.put(b"loose blob")
    with images.pins.hold([busy.chain_id]):
        assert await collect(images) == 5
    assert set(images.snapshots.layers()) == {kept.top, busy.chain_id}
    assert [blob.digest for blob in images.content.walk()] == [kept.id]
    assert loose.chain_id not in images.snapshots.layers()
