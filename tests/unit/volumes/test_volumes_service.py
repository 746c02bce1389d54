"""Volumes as the API sees them, in Docker's words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pier.errors import Conflict, InvalidArgument, NotFound, PierError
from pier.metadata.db import Database
from pier.metadata.journal import SqliteJournal
from pier.metadata.volumes import SqliteVolumeStore
from pier.volumes.service import Volumes
from pier.volumes.volume import ANONYMOUS_LABEL


class Parts:
    """A service over a folder and a database that outlive it, as they outlive a killed daemon."""

    def __init__(self, root: Path) -> None:
        self.root = root / "volumes"
        database = Database(":memory:")
        self.store, self.journal = SqliteVolumeStore(database), SqliteJournal(database)
        self.users: dict[str, list[str]] = {}

    def service(self) -> Volumes:
        volumes = Volumes(self.root, self.store, self.journal, lambda name: self.users.get(name, []))
        volumes.start()
        return volumes


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def test_create_is_idempotent_and_lasts(parts: Parts) -> None:
    made = parts.service().create("data", labels={"a": "b"})
    again = parts.service().create("data", labels={"other": "ignored"})
    assert again == made
    assert made.labels == {"a": "b"}
    assert made.mountpoint == str(parts.root / "data" / "_data")
    assert Path(made.mountpoint).stat().st_mode & 0o777 == 0o755
    assert parts.service().get("data") == made


def test_anonymous_names_are_64_hex_digits(parts: Parts) -> None:
    made = parts.service().create()
    assert len(made.name) == 64 and int(made.name, 16) >= 0
    assert made.anonymous and made.labels == {ANONYMOUS_LABEL: ""}


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda volumes: volumes.create("x"),
            InvalidArgument,
            "create x: volume name is too short, names should be at least two alphanumeric characters",
        ),
        (
            lambda volumes: volumes.create("a b"),
            InvalidArgument,
            'create a b: "a b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" '
            "are allowed. If you intended to pass a host directory, use absolute path",
        ),
        (
            lambda volumes: volumes.create("xx", options={"foo": "1"}),
            InvalidArgument,
            'create xx: invalid option: "foo"',
        ),
        (
            lambda volumes: volumes.create("xx", options={"type": "tmpfs"}),
            InvalidArgument,
            'create xx: missing required option: "device"',
        ),
        (
            lambda volumes: volumes.create("xx", options={"device": "/x"}),
            InvalidArgument,
            'create xx: missing required option: "type"',
        ),
        (
            lambda volumes: volumes.create("yy", "nope"),
            NotFound,
            'create yy: error looking up volume plugin nope: plugin "nope" not found',
        ),
        (lambda volumes: volumes.get("nope"), NotFound, "get nope: no such volume"),
        (lambda volumes: volumes.remove("nope"), NotFound, "get nope: no such volume"),
        (lambda volumes: volumes.list({"foo": ["bar"]}), InvalidArgument, "invalid filter 'foo'"),
        (lambda volumes: volumes.list({"dangling": ["zzz"]}), InvalidArgument, "invalid filter 'dangling=[zzz]'"),
        (lambda volumes: volumes.prune({"dangling": ["true"]}), InvalidArgument, "invalid filter 'dangling'"),
    ],
)
def test_refusals_are_worded_as_dockers(
    parts: Parts, call: Callable[[Volumes], object], kind: type[PierError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        call(parts.service())
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["..", "../../etc", "/etc", "-x", ".hidden", "a/b", "a\n", "a" * 300])
def test_names_never_leave_the_folder(parts: Parts, name: str) -> None:
    with pytest.raises(InvalidArgument):
        parts.service().create(name)
    assert list(parts.root.iterdir()) == []


def test_a_volume_in_use_stays(parts: Parts) -> None:
    volumes = parts.service()
    volumes.create("data")
    parts.users["data"] = ["c1", "c2"]
    for force in (False, True):
        with pytest.raises(Conflict) as caught:
            volumes.remove("data", force=force)
        assert str(caught.value) == "remove data: volume is in use - [c1, c2]"
    parts.users.clear()
    volumes.remove("data")
    assert list(parts.root.iterdir()) == []
    volumes.remove("data", force=True)


def test_filters(parts: Parts) -> None:
    volumes = parts.service()
    volumes.create("one", labels={"tier": "db"})
    volumes.create("two")
    parts.users["two"] = ["c1"]

    def names(**filters: list[str]) -> list[str]:
        return [volume.name for volume in volumes.list(filters)]

    assert names() == ["one", "two"]
    assert names(dangling=["true"]) == ["one"]
    assert names(dangling=["0"]) == ["two"]
    assert names(label=["tier=db"]) == ["one"]
    assert names(name=["tw"]) == ["two"]
    assert names(driver=["other"]) == []


def test_prune_takes_unused_anonymous_ones(parts: Parts) -> None:
    volumes = parts.service()
    kept, used, unused = volumes.create("kept").name, volumes.create().name, volumes.create()
    parts.users[used] = ["c1"]
    Path(unused.mountpoint, "file").write_bytes(b"x" * 1000)
    assert volumes.prune() == ([unused.name], 1000)
    assert {volume.name for volume in volumes.list()} == {kept, used}
    assert volumes.prune({"all": ["true"]})[0] == [kept]


def test_prune_by_label(parts: Parts) -> None:
    volumes = parts.service()
    volumes.create("keep", labels={"keep": ""})
    volumes.create("drop")
    assert volumes.prune({"all": ["1"], "label!": ["keep"]})[0] == ["drop"]


def test_half_made_and_half_removed_volumes_are_cleaned_up_at_start(parts: Parts) -> None:
    volumes = parts.service()
    volumes.create("going")
    parts.journal.begin("volume:remove", "going")
    parts.journal.begin("volume:create", "coming")
    (parts.root / "coming").mkdir()
    volumes = parts.service()
    assert list(volumes.list()) == [] and list(parts.root.iterdir()) == [] and parts.journal.pending() == []


def test_a_finished_create_survives_its_journal_entry(parts: Parts) -> None:
    parts.service().create("done")
    parts.journal.begin("volume:create", "done")
    volumes = parts.service()
    assert volumes.get("done").name == "done" and parts.journal.pending() == []
    assert Path(volumes.get("done").mountpoint).is_dir()


def test_verify_names_what_is_amiss(parts: Parts) -> None:
    volumes = parts.service()
    volumes.create("gone")
    (parts.root / "gone" / "_data").rmdir()
    (parts.root / "gone").rmdir()
    (parts.root / "stray").mkdir()
    assert volumes.verify() == ["folder of volume gone is missing", "folder stray belongs to no volume"]
