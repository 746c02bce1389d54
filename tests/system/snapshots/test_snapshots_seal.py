"""An upper folder that becomes a layer where it lies: the tar that it is said to be, and nothing lost."""

import io
import os
import secrets
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pier.linux.mount import mount, unmount
from pier.oci.digest import Digest
from pier.snapshots import diff
from pier.snapshots.overlay import OverlaySnapshotter
from pier.snapshots.seal import seal
from pier.snapshots.snapshotter import Layer


async def sealed(snapshots: OverlaySnapshotter, parent: Digest | None, change: str) -> Layer:
    """A layer of what the changes named ``change`` do in the mounted view."""
    writer = snapshots.begin_layer()
    target = writer.side / "merged"
    target.mkdir()
    for each in writer.mount_on(parent, target):
        mount(each)
    try:
        _CHANGES[change](target)
    finally:
        unmount(target, detach=True)
    target.rmdir()
    made = await seal(writer)
    return writer.commit(parent, made.diff_id, made.size, made.skeleton)


def _base(root: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/gone").write_text("gone\n")
    (root / "opt/old").mkdir(parents=True)
    (root / "opt/old/file").write_text("old\n")


def _everything(root: Path) -> None:
    (root / "etc/gone").unlink()
    (root / "opt/old/file").unlink()
    (root / "opt/old").rmdir()
    (root / "opt/old").mkdir()
    (root / "opt/old/new").write_text("new\n")
    (root / "hard").write_bytes(b"x" * 5000)
    os.link(root / "hard", root / "link")
    os.symlink("/nowhere/at/all", root / "symlink")
    os.setxattr(root / "hard", "user.note", b"\0\xff")
    os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))
    os.mkfifo(root / "fifo")
    os.mknod(root / "socket", 0o600 | stat.S_IFSOCK)
    (root / os.fsdecode(b"odd\n\xff\\ name")).write_bytes(b"odd")
    (root / ("long" * 40)).mkdir()
    (root / ("long" * 40) / ("deep" * 40)).write_bytes(b"")
    with open(root / "sparse", "wb") as file:
        file.truncate(3_000_000)
    os.chown(root / "sparse", 1234, 2**31)
    os.chmod(root / "sparse", 0o4711)


def _many(root: Path) -> None:
    for number in range(300):
        (root / f"f{number}").write_bytes(secrets.token_bytes(100))


def _nothing(root: Path) -> None:
    assert root.is_dir()


_CHANGES: dict[str, Callable[[Path], None]] = {
    "base": _base,
    "everything": _everything,
    "many": _many,
    "nothing": _nothing,
}


async def tar_of(layer: Layer) -> bytes:
    return b"".join([data async for data in diff.layer_tar(layer)])


async def test_the_tar_comes_back(snapshots: OverlaySnapshotter) -> None:
    base = await sealed(snapshots, None, "base")
    layer = await sealed(snapshots, base.chain_id, "everything")
    data = await tar_of(layer)
    assert len(data) == layer.tar_size
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        found = {member.name: member for member in tar}
    assert {"etc/.wh.gone", "opt/old/.wh..wh..opq", "opt/old/new", "null", "fifo", "symlink"} <= set(found)
    assert "socket" not in found
    assert os.fsdecode(b"odd\n\xff\\ name") in found
    assert (found["link"].linkname, found["link"].islnk()) == ("hard", True)
    assert (found["sparse"].size, found["sparse"].uid, found["sparse"].gid) == (3_000_000, 1234, 2**31)
    assert found["sparse"].mode == 0o4711
    assert (found["etc/.wh.gone"].mode, found["opt/old/.wh..wh..opq"].mtime) == (0o600, 0)
    assert layer.size == 3_000_000 + 5000 + 3 + 4


async def test_it_is_what_packing_and_unpacking_makes(snapshots: OverlaySnapshotter) -> None:
    base = await sealed(snapshots, None, "base")
    layer = await sealed(snapshots, base.chain_id, "everything")
    writer = snapshots.begin_layer()
    applied = await diff.apply_layer(aiter(diff.write_diff(layer.root)), writer)
    writer.abort()
    assert applied.diff_id == layer.diff_id


@pytest.mark.parametrize("change", ["nothing", "many"])
async def test_small_and_large(snapshots: OverlaySnapshotter, change: str) -> None:
    base = await sealed(snapshots, None, "base")
    layer = await sealed(snapshots, base.chain_id, change)
    assert len(await tar_of(layer)) == layer.tar_size
    if change == "nothing":
        assert layer.diff_id == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
    assert snapshots.verify() == []


async def test_a_folder_from_elsewhere_is_adopted(snapshots: OverlaySnapshotter, root: Path) -> None:
    folder = root / "elsewhere"
    folder.mkdir()
    _base(folder)
    writer = snapshots.begin_layer()
    writer.adopt(folder)
    made = await seal(writer)
    layer = writer.commit(None, made.diff_id, made.size, made.skeleton)
    assert not folder.exists()
    assert (layer.root / "etc/gone").read_text() == "gone\n"
    assert len(await tar_of(layer)) == layer.tar_size
