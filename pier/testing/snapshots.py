"""What every snapshotter does: tests that each implementation runs, as root.

A subclass has a fixture ``snapshots`` with an empty snapshotter, and one ``reopen`` that makes another over the
same place, recovered as after a crash.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pier.errors import Conflict, NotFound, PierError
from pier.linux.mount import mount, unmount
from pier.oci.digest import Digest, sha256
from pier.oci.image import chain_id
from pier.snapshots.snapshotter import Change, ChangeKind, Layer, Snapshotter

ABSENT = sha256(b"absent")


def make_layer(snapshots: Snapshotter, parent: Digest | None, files: dict[str, str]) -> Layer:
    """Commit a layer of small files; its diff ID is made up of what is in it."""
    writer = snapshots.begin_layer()
    for name, text in files.items():
        path = writer.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return writer.commit(parent, sha256(repr(sorted(files.items())).encode()), sum(map(len, files.values())))


@contextmanager
def mounted(snapshots: Snapshotter, container_id: str) -> Iterator[Path]:
    """The container's root file system, mounted for the time of the block."""
    for wanted in snapshots.rw_mounts(container_id):
        mount(wanted)
    try:
        yield snapshots.merged(container_id)
    finally:
        unmount(snapshots.merged(container_id))


def _raises(kind: type[PierError], call: Callable[[], object]) -> None:
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


class SnapshotterSuite:
    def test_layers_stack(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"a": "base", "b": "base"})
        top = make_layer(snapshots, base.chain_id, {"b": "top", "c/d": "top"})
        assert top.chain_id == chain_id(base.chain_id, top.diff_id)
        assert snapshots.layer(top.chain_id) == top
        assert snapshots.layers() == {base.chain_id: base, top.chain_id: top}
        snapshots.create_rw("c1", top.chain_id)
        with mounted(snapshots, "c1") as root:
            assert [(root / name).read_text() for name in ("a", "b", "c/d")] == ["base", "top", "top"]

    def test_layers_are_made_in_any_order(self, snapshots: Snapshotter) -> None:
        upper, lower = snapshots.begin_layer(), snapshots.begin_layer()
        (upper.root / "x").write_text("upper")
        (lower.root / "x").write_text("lower")
        base = lower.commit(None, sha256(b"lower"), 5)
        top = upper.commit(base.chain_id, sha256(b"upper"), 5)
        assert top.parent == base.chain_id
        assert (top.size, snapshots.with_diff(sha256(b"upper"))) == (5, top)

    def test_a_layer_that_is_there_is_kept(self, snapshots: Snapshotter) -> None:
        first = make_layer(snapshots, None, {"a": "1"})
        again = make_layer(snapshots, None, {"a": "1"})
        assert again == first
        assert snapshots.verify() == []

    def test_an_aborted_layer_leaves_nothing(self, snapshots: Snapshotter) -> None:
        writer = snapshots.begin_layer()
        (writer.root / "a").write_text("x")
        writer.abort()
        writer.abort()
        assert not writer.root.exists()
        assert snapshots.layers() == {}
        assert snapshots.verify() == []

    def test_a_parent_that_is_not_there(self, snapshots: Snapshotter) -> None:
        writer = snapshots.begin_layer()
        _raises(NotFound, lambda: writer.commit(ABSENT, sha256(b"x"), 0))
        writer.abort()
        _raises(NotFound, lambda: snapshots.create_rw("c1", ABSENT))
        _raises(NotFound, lambda: snapshots.layer(ABSENT))
        _raises(NotFound, lambda: snapshots.remove_layer(ABSENT))
        assert snapshots.verify() == []

    def test_what_is_used_cannot_be_removed(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"a": "1"})
        top = make_layer(snapshots, base.chain_id, {"b": "1"})
        _raises(Conflict, lambda: snapshots.remove_layer(base.chain_id))
        snapshots.create_rw("c1", top.chain_id)
        _raises(Conflict, lambda: snapshots.remove_layer(top.chain_id))
        snapshots.remove_rw("c1")
        snapshots.remove_layer(top.chain_id)
        snapshots.remove_layer(base.chain_id)
        assert snapshots.layers() == {}
        assert snapshots.with_diff(base.diff_id) is None
        assert snapshots.verify() == []

    def test_containers_do_not_see_each_other(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"a": "base"})
        snapshots.create_rw("c1", base.chain_id)
        snapshots.create_rw("c2", base.chain_id)
        with mounted(snapshots, "c1") as one, mounted(snapshots, "c2") as two:
            (one / "a").write_text("one")
            (two / "b").write_text("two")
            assert (two / "a").read_text() == "base"
            assert not (one / "b").exists()
        assert (base.root / "a").read_text() == "base"
        assert snapshots.rw_snapshots() == {"c1": base.chain_id, "c2": base.chain_id}

    def test_a_container_has_one_snapshot(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"a": "base"})
        snapshots.create_rw("c1", base.chain_id)
        _raises(Conflict, lambda: snapshots.create_rw("c1", base.chain_id))
        for call in (snapshots.rw_mounts, snapshots.rw_parent, snapshots.merged, snapshots.rw_usage):
            _raises(NotFound, partial(call, "other"))

    def test_nothing_below(self, snapshots: Snapshotter) -> None:
        snapshots.create_rw("c1", None)
        with mounted(snapshots, "c1") as root:
            (root / "a").write_text("x")
            assert (root / "proc").is_dir()
        assert snapshots.rw_changes("c1") == [Change(ChangeKind.ADDED, "/a")]
        assert snapshots.rw_parent("c1") is None

    def test_changes(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"keep": "", "gone": "", "dir/gone": "", "dir/kept": "", "edit": "1"})
        snapshots.create_rw("c1", base.chain_id)
        with mounted(snapshots, "c1") as root:
            (root / "gone").unlink()
            (root / "dir/gone").unlink()
            (root / "edit").write_text("22")
            (root / "new/deep").mkdir(parents=True)
            (root / "new/deep/file").write_text("333")
        assert snapshots.rw_changes("c1") == [
            Change(ChangeKind.MODIFIED, "/dir"),
            Change(ChangeKind.DELETED, "/dir/gone"),
            Change(ChangeKind.MODIFIED, "/edit"),
            Change(ChangeKind.DELETED, "/gone"),
            Change(ChangeKind.ADDED, "/new"),
            Change(ChangeKind.ADDED, "/new/deep"),
            Change(ChangeKind.ADDED, "/new/deep/file"),
        ]
        assert snapshots.rw_usage("c1") == 5

    def test_mount_points_are_no_changes(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"a": ""})
        snapshots.create_rw("c1", base.chain_id)
        with mounted(snapshots, "c1") as root:
            for name in ("proc", "sys", "dev/pts", "dev/shm"):
                assert (root / name).is_dir()
            for name in ("etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console", ".dockerenv"):
                assert (root / name).is_file()
            assert os.readlink(root / "etc/mtab") == "/proc/mounts"
        assert snapshots.rw_changes("c1") == []
        assert sorted(os.listdir(base.root)) == ["a"]

    def test_removing_a_snapshot_unmounts_it(self, snapshots: Snapshotter) -> None:
        base = make_layer(snapshots, None, {"a": ""})
        snapshots.create_rw("c1", base.chain_id)
        for wanted in snapshots.rw_mounts("c1"):
            mount(wanted)
        root = snapshots.merged("c1")
        snapshots.remove_rw("c1")
        snapshots.remove_rw("c1")
        assert str(root) not in Path("/proc/self/mountinfo").read_text()
        assert snapshots.rw_snapshots() == {}
        assert snapshots.verify() == []

    def test_all_is_there_after_a_restart(self, snapshots: Snapshotter, reopen: Callable[[], Snapshotter]) -> None:
        base = make_layer(snapshots, None, {"a": "1"})
        top = make_layer(snapshots, base.chain_id, {"b": "2"})
        snapshots.create_rw("c1", top.chain_id)
        with mounted(snapshots, "c1") as root:
            (root / "mine").write_text("x")
        again = reopen()
        assert again.layers() == snapshots.layers()
        assert again.rw_parent("c1") == top.chain_id
        with mounted(again, "c1") as root:
            assert (root / "mine").read_text() == "x"
        _raises(Conflict, lambda: again.remove_layer(base.chain_id))
        assert again.verify() == []

    def test_a_view_is_read_only(self, snapshots: Snapshotter, tmp_path: Path) -> None:
        base = make_layer(snapshots, None, {"a": "1"})
        top = make_layer(snapshots, base.chain_id, {"b": "2"})
        target = tmp_path / "view"
        target.mkdir()
        mount(snapshots.view(top.chain_id, target))
        try:
            assert sorted(os.listdir(target)) == ["a", "b"]
            assert os.statvfs(target).f_flag & os.ST_RDONLY
        finally:
            unmount(target)
