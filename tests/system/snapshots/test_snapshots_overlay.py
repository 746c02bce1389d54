"""The overlay snapshotter: the suite, and what is its own: many layers, symlinks in the way, folders as Docker's."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from pier.errors import DataCorrupted, NoSpace
from pier.linux.mount import Mount, mount, unmount
from pier.linux.mount import mounted as is_mounted
from pier.metadata.db import Database
from pier.metadata.journal import SqliteJournal
from pier.oci.digest import Digest, hex_of, sha256
from pier.snapshots.overlay import OverlaySnapshotter
from pier.snapshots.snapshotter import Change, ChangeKind
from pier.testing.snapshots import SnapshotterSuite, make_layer, mounted


class TestOverlay(SnapshotterSuite):
    pass


def stack(snapshots: OverlaySnapshotter, count: int) -> Digest:
    parent: Digest | None = None
    for number in range(count):
        parent = make_layer(snapshots, parent, {f"f{number}": str(number), "last": str(number)}).chain_id
    assert parent is not None
    return parent


def test_125_layers_mount(snapshots: OverlaySnapshotter) -> None:
    top = stack(snapshots, 125)
    snapshots.create_rw("c1", top)
    with mounted(snapshots, "c1") as root:
        assert (root / "last").read_text() == "124"
        assert (root / "f0").read_text() == "0"
        (root / "x").write_text("x")
        assert snapshots.rw_changes("c1") == [Change(ChangeKind.ADDED, "/x")]


def test_a_data_root_with_a_very_long_path(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200) / ("y" * 200)
    long.mkdir(parents=True)
    far = OverlaySnapshotter(long, SqliteJournal(Database(":memory:")))
    far.create_rw("c1", stack(far, 3))
    with mounted(far, "c1") as root:
        assert (root / "last").read_text() == "2"
    far.remove_rw("c1")
    far.close()


def test_folders_are_where_docker_has_them(snapshots: OverlaySnapshotter, root: Path) -> None:
    base = make_layer(snapshots, None, {"a": "1"})
    top = make_layer(snapshots, base.chain_id, {"b": "2"})
    record = root / "image/overlay2/layerdb/sha256" / hex_of(top.chain_id)
    assert (record / "diff").read_text() == top.diff_id
    assert (record / "parent").read_text() == base.chain_id
    assert (record / "size").read_text() == "1"
    folder = root / "overlay2" / (record / "cache-id").read_text()
    assert (folder / "diff/b").read_text() == "2"
    link = root / "overlay2/l" / (folder / "link").read_text()
    assert link.resolve() == folder / "diff"
    assert (folder / "lower").read_text() == f"l/{(root / 'overlay2' / base.cache_id / 'link').read_text()}"
    assert snapshots.layer_graph(top.chain_id)["LowerDir"] == str(base.root)
    snapshots.create_rw("c1", top.chain_id)
    graph = snapshots.rw_graph("c1")
    assert graph["LowerDir"].split(":")[1:] == [str(top.root), str(base.root)]
    assert graph["UpperDir"] == str(snapshots.upper("c1"))
    mounts = root / "image/overlay2/layerdb/mounts/c1"
    assert (mounts / "parent").read_text() == top.chain_id
    assert (root / "overlay2" / (mounts / "mount-id").read_text() / "merged").is_dir()


def test_layers_have_places_of_their_own_on_the_disk(tmp_path: Path) -> None:
    """On ext4, in 16 block groups of 1024 inodes: what is unpacked at one time does not stand in one queue."""
    disk, place = tmp_path / "disk", tmp_path / "small"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-G", "1", "-N", str(16 * 1024), str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(place)], check=True)
    try:
        snapshots = OverlaySnapshotter(place, SqliteJournal(Database(":memory:")))
        layers = [make_layer(snapshots, None, {"a": str(number)}) for number in range(8)]
        assert len({(layer.root / "a").stat().st_ino // 1024 for layer in layers}) >= 4
        for number in range(8):
            snapshots.create_rw(f"c{number}", layers[0].chain_id)
        uppers = [snapshots.upper(f"c{number}") for number in range(8)]
        assert len({upper.stat().st_ino // 1024 for upper in uppers}) == 1, (
            "containers stay together: few blocks are read"
        )
        snapshots.close()
    finally:
        unmount(place, detach=True)


def test_the_root_folder_keeps_its_owner_and_mode(snapshots: OverlaySnapshotter) -> None:
    writer = snapshots.begin_layer()
    os.chown(writer.root, 12, 34)
    os.chmod(writer.root, 0o1750)
    layer = writer.commit(None, sha256(b"x"), 0)
    snapshots.create_rw("c1", layer.chain_id)
    with mounted(snapshots, "c1") as root:
        status = root.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12, 34, 0o1750)


@pytest.mark.parametrize("target", ["/run/resolv.conf", "../../../../run/resolv.conf", "/abs/deep/file"])
def test_symlinks_of_the_image_lead_nowhere_outside(snapshots: OverlaySnapshotter, target: str) -> None:
    writer = snapshots.begin_layer()
    (writer.root / "etc").mkdir()
    os.symlink(target, writer.root / "etc/resolv.conf")
    os.symlink("/nowhere", writer.root / "dev")
    os.symlink("/etc", writer.root / "proc")
    outside = Path("/run/resolv.conf").exists()
    layer = writer.commit(None, sha256(target.encode()), 0)
    snapshots.create_rw("c1", layer.chain_id)
    with mounted(snapshots, "c1") as root:
        assert os.readlink(root / "etc/resolv.conf") == target
        inside = root / os.path.normpath("/" + target).lstrip("/")
        assert inside.is_file()
        assert os.readlink(root / "dev") == "/nowhere"
    assert Path("/run/resolv.conf").exists() == outside
    assert not Path("/nowhere").exists()


def test_symlinks_that_turn_in_circles(snapshots: OverlaySnapshotter) -> None:
    writer = snapshots.begin_layer()
    os.symlink("etc", writer.root / "etc")
    os.symlink("b", writer.root / "a")
    os.symlink("a", writer.root / "b")
    os.symlink("a", writer.root / "dev")
    (writer.root / "proc").write_text("a file")
    snapshots.create_rw("c1", writer.commit(None, sha256(b"circle"), 0).chain_id)
    with mounted(snapshots, "c1") as root:
        assert (root / "proc").read_text() == "a file"
        assert (root / ".dockerenv").is_file()


def test_an_opaque_folder_is_listed_as_docker_does(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"d/old": "1"})
    snapshots.create_rw("c1", base.chain_id)
    with mounted(snapshots, "c1") as root:
        (root / "d/old").unlink()
        (root / "d").rmdir()
        (root / "d").mkdir()
        (root / "d/new").write_text("")
    assert snapshots.rw_changes("c1") == [
        Change(ChangeKind.MODIFIED, "/d"),
        Change(ChangeKind.ADDED, "/d/new"),
        Change(ChangeKind.DELETED, "/d/old"),
    ]


def test_deep_changes_list_the_folders_above(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"a/b/c/edit": "1", "a/b/same": "2", "x/touched": "3"})
    snapshots.create_rw("c1", base.chain_id)
    with mounted(snapshots, "c1") as root:
        (root / "a/b/c/edit").write_text("22")
        (root / "x/touched").chmod(0o600)
        (root / "x/touched").chmod(0o644)
    assert [change.path for change in snapshots.rw_changes("c1")] == ["/a", "/a/b", "/a/b/c", "/a/b/c/edit"]


def test_a_folder_in_the_place_of_a_symlink(snapshots: OverlaySnapshotter) -> None:
    writer = snapshots.begin_layer()
    os.symlink("/etc", writer.root / "x")
    snapshots.create_rw("c1", writer.commit(None, sha256(b"link"), 0).chain_id)
    with mounted(snapshots, "c1") as root:
        (root / "x").unlink()
        (root / "x").mkdir()
        (root / "x/passwd").write_text("mine")
    assert Change(ChangeKind.ADDED, "/x/passwd") in snapshots.rw_changes("c1")


def test_strange_names_in_changes(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"a": ""})
    snapshots.create_rw("c1", base.chain_id)
    with mounted(snapshots, "c1") as root:
        (root / "new\nline").write_text("")
        os.mkdir(os.fsencode(root) + b"/\xff\xfe")
    paths = [change.path for change in snapshots.rw_changes("c1")]
    assert paths == ["/new\nline", "/\udcff\udcfe"]


def test_making_and_removing_is_quick(snapshots: OverlaySnapshotter) -> None:
    """A few milliseconds, of 20 times the one that nothing else on the machine held up."""
    top = stack(snapshots, 5)
    snapshots.create_rw("warm", top)
    times: dict[str, list[float]] = {"create": [], "remove": []}
    for number in range(20):
        begun = time.perf_counter()
        snapshots.create_rw(f"c{number}", top)
        times["create"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        snapshots.remove_rw(f"c{number}")
        times["remove"].append(time.perf_counter() - begun)
    assert min(times["create"]) < 0.005
    assert min(times["remove"]) < 0.005


def test_a_busy_root_file_system_is_removed_all_the_same(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"a": ""})
    snapshots.create_rw("c1", base.chain_id)
    for wanted in snapshots.rw_mounts("c1"):
        mount(wanted)
    root = snapshots.merged("c1")
    busy = os.open(root, os.O_RDONLY)
    snapshots.remove_rw("c1")
    os.close(busy)
    assert not is_mounted(root)
    snapshots.close()
    assert snapshots.verify() == []


def test_fsck_finds_what_is_wrong(snapshots: OverlaySnapshotter, root: Path) -> None:
    base = make_layer(snapshots, None, {"a": "1"})
    top = make_layer(snapshots, base.chain_id, {"b": "2"})
    (root / "overlay2/stray").mkdir()
    os.symlink("../nothing/diff", root / "overlay2/l/LOOSE")
    (root / "overlay2" / base.cache_id / "diff/a").unlink()
    (root / "overlay2" / base.cache_id / "diff").rmdir()
    (root / "overlay2/l" / (root / "overlay2" / top.cache_id / "link").read_text()).unlink()
    found = {(finding.kind, Path(finding.path).name) for finding in snapshots.verify()}
    assert ("orphan", "stray") in found
    assert ("orphan", "LOOSE") in found
    assert ("missing", "diff") in found
    assert len([kind for kind, _ in found if kind == "missing"]) == 2
    snapshots.repair()
    assert {finding.kind for finding in snapshots.verify()} == {"missing"}


def test_work_under_way_is_neither_reported_nor_repaired(snapshots: OverlaySnapshotter) -> None:
    writer = snapshots.begin_layer()
    (writer.root / "a").write_text("x")
    assert snapshots.verify() == []
    snapshots.repair()
    assert writer.commit(None, sha256(b"x"), 1).root.joinpath("a").read_text() == "x"
    assert snapshots.verify() == []


def test_a_full_disk_leaves_no_half_of_anything(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mount(Mount("tmpfs", "tmpfs", place, ("size=1m", "nr_inodes=60")))
    try:
        snapshots = OverlaySnapshotter(place, SqliteJournal(Database(":memory:")))
        layer = make_layer(snapshots, None, {"a": "x"})
        made = 0
        with pytest.raises(NoSpace, match="no space left on device"):
            while made < 60:
                snapshots.create_rw(f"c{made}", layer.chain_id)
                made += 1
        assert made > 0
        assert sorted(snapshots.rw_snapshots()) == sorted(f"c{number}" for number in range(made))
        snapshots.close()
        assert snapshots.verify() == []
        for number in range(made):
            snapshots.remove_rw(f"c{number}")
        snapshots.close()
        snapshots.create_rw("again", layer.chain_id)
    finally:
        unmount(place, detach=True)


def test_a_bottomless_tree_is_said_to_be_one(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"a": ""})
    snapshots.create_rw("c1", base.chain_id)
    with mounted(snapshots, "c1") as root:
        subprocess.run(["sh", "-c", "for i in $(seq 1500); do mkdir d; cd d; done"], cwd=root, check=True)
    with pytest.raises(DataCorrupted, match="more than 200 folders deep"):
        snapshots.rw_changes("c1")
    assert snapshots.rw_usage("c1") == 0
    snapshots.remove_rw("c1")
    snapshots.close()
    assert snapshots.verify() == []
