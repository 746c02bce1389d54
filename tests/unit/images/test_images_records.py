"""Image records and references in the database, and the texts of progress."""

from pathlib import Path

import pytest

from pier.errors import NotFound
from pier.images.image import Image
from pier.images.notify import Meter, figures, human_size
from pier.metadata.db import Database
from pier.metadata.images import SqliteImageStore
from pier.oci.digest import Digest, sha256
from pier.oci.image import ImageConfig, RootFS, chain_ids
from pier.oci.manifest import Descriptor
from pier.oci.reference import parse_reference

LAYERS = [sha256(b"1"), sha256(b"2")]


def image(name: str, *, parent: Digest | None = None, layers: list[Digest] = LAYERS) -> Image:
    config = ImageConfig("amd64", "linux", RootFS("layers", layers), created="2024-01-01T00:00:00Z")
    return Image(sha256(name.encode()), config, tuple(chain_ids(layers)), 7, parent)


@pytest.fixture
def store() -> SqliteImageStore:
    return SqliteImageStore(Database(":memory:"))


def test_put_and_get(store: SqliteImageStore) -> None:
    one = image("one")
    store.put(one)
    assert store.get(one.id) == one
    assert list(store.list()) == [one]
    assert store.get(sha256(b"other")) is None


def test_records_survive(tmp_path: Path) -> None:
    store = SqliteImageStore(Database(tmp_path / "db"))
    store.put(image("one"))
    store.tag(parse_reference("x:1"), image("one").id)
    again = SqliteImageStore(Database(tmp_path / "db"))
    assert list(again.list()) == list(store.list())
    found = again.get(image("one").id)
    assert found is not None
    assert (found.repo_tags, found.diff_ids, found.created) == (
        ("docker.io/library/x:1",),
        LAYERS,
        "2024-01-01T00:00:00Z",
    )


def test_tags_move(store: SqliteImageStore) -> None:
    one, two, reference = image("one"), image("two"), parse_reference("x:1")
    store.put(one)
    store.put(two)
    assert store.tag(reference, one.id) is None
    assert store.tag(reference, two.id) == one.id
    assert store.resolve(reference) == two.id
    moved, left = store.get(two.id), store.get(one.id)
    assert moved is not None and moved.repo_tags == ("docker.io/library/x:1",) and moved.tagged_ns > 0
    assert left is not None and left.dangling


def test_many_tags_at_a_time(store: SqliteImageStore) -> None:
    one, two = image("one"), image("two")
    store.put(one)
    store.put(two)
    store.tag(parse_reference("x:7"), one.id)
    many = [parse_reference(f"x:{number}") for number in (*range(3000), 5)]
    previous = store.tag_all(many, two.id)
    assert [each for each in previous if each] == [one.id]
    found, left = store.get(two.id), store.get(one.id)
    assert found is not None and len(found.repo_tags) == 3000
    assert left is not None and left.dangling
    with pytest.raises(NotFound):
        store.tag_all(many, sha256(b"other"))


def test_tags_and_repo_digests_are_told_apart(store: SqliteImageStore) -> None:
    one = image("one")
    store.put(one)
    for text in ("x:2", "x:1", f"x@{one.id}", "localhost:5000/y:3"):
        store.tag(parse_reference(text), one.id)
    found = store.get(one.id)
    assert found is not None
    assert found.repo_tags == ("docker.io/library/x:1", "docker.io/library/x:2", "localhost:5000/y:3")
    assert found.repo_digests == (f"docker.io/library/x@{one.id}",)
    assert [reference.familiar for reference in store.references(one.id)] == [
        "x:1",
        "x:2",
        f"x@{one.id}",
        "localhost:5000/y:3",
    ]


def test_putting_again_keeps_the_names(store: SqliteImageStore) -> None:
    one = image("one")
    store.put(one)
    store.tag(parse_reference("x:1"), one.id)
    store.put(one)
    assert store.resolve(parse_reference("x:1")) == one.id
    found = store.get(one.id)
    assert found is not None and found.repo_tags


def test_untag_and_remove(store: SqliteImageStore) -> None:
    one = image("one")
    store.put(one)
    store.tag(parse_reference("x:1"), one.id)
    store.tag(parse_reference("x:2"), one.id)
    assert store.untag(parse_reference("x:1")) == one.id
    assert store.untag(parse_reference("x:1")) is None
    store.remove(one.id)
    store.remove(one.id)
    assert (store.get(one.id), store.resolve(parse_reference("x:2")), list(store.list())) == (None, None, [])


def test_tagging_what_is_not_there(store: SqliteImageStore) -> None:
    with pytest.raises(NotFound):
        store.tag(parse_reference("x"), sha256(b"nothing"))
    assert store.resolve(parse_reference("x")) is None


def test_search(store: SqliteImageStore) -> None:
    ids = sorted(image(str(number)).id for number in range(40))
    for number in range(40):
        store.put(image(str(number)))
    for image_id in ids:
        assert store.search(image_id[7:]) == [image_id]
    assert len(store.search(ids[0][7:8])) == len([each for each in ids if each[7] == ids[0][7]][:2])
    for prefix in ("", "xyz", "%", "_", "f" * 65):
        assert store.search(prefix) == []


def test_who_has_a_layer(store: SqliteImageStore) -> None:
    one, two = image("one"), image("two", layers=[LAYERS[0]])
    store.put(one)
    store.put(two)
    assert set(store.images_with_layer(LAYERS[0])) == {one.id, two.id}
    store.remove(two.id)
    assert store.images_with_layer(LAYERS[0]) == [one.id]
    store.remove(one.id)
    assert store.images_with_layer(LAYERS[0]) == []


def test_children(store: SqliteImageStore) -> None:
    one, two = image("one"), image("two", parent=image("one").id)
    store.put(one)
    store.put(two)
    assert (store.children(one.id), store.children(two.id)) == ([two.id], [])


def test_blobs_of_layers(store: SqliteImageStore) -> None:
    first, second = Descriptor("a", sha256(b"x"), 1), Descriptor("b", sha256(b"y"), 2)
    store.add_blob(LAYERS[0], first)
    store.add_blob(LAYERS[0], second)
    store.add_blob(LAYERS[0], second)
    assert store.blob_of(LAYERS[0]) == [first, second]
    store.remove_blob(LAYERS[0], first.digest)
    assert store.blob_of(LAYERS[0]) == [second]
    assert store.blob_of(LAYERS[1]) == []


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1984230, "1.984MB"), (10**9, "1GB"), (1.5 * 10**13, "15TB")],
)
def test_sizes(size: float, text: str) -> None:
    assert human_size(size) == text


def test_the_bar() -> None:
    half = figures("Downloading", "abc", 500, 1000)
    assert half["progress"] == "[" + "=" * 24 + ">" + " " * 25 + "]  500B/1kB"
    assert half["progressDetail"] == {"current": 500, "total": 1000}
    assert figures("x", "abc", 1000, 1000)["progress"] == "[" + "=" * 50 + "]  1kB/1kB"
    assert figures("x", "abc", 0, 1000)["progress"].startswith("[>")
    assert figures("x", "abc", 5, 0)["progress"] == "5B"


def test_a_meter_reports_now_and_then() -> None:
    said: list[int] = []
    meter = Meter(lambda message: said.append(message["progressDetail"]["current"]), "x", "abc", 1000)
    for _ in range(1000):
        meter.add(1)
    meter.show()
    assert said[0] == 1 and said[-1] == 1000
    assert len(said) < 500
