"""Copy-up keeps everything of a folder, and a hostile image stays inside itself."""

import errno
import os
import stat
from pathlib import Path

import pytest

from pier.errors import DataCorrupted
from pier.volumes.copyup import copy_up


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    (root / "srv" / "sub").mkdir(parents=True)
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_owner_mode_times_links_and_attributes_are_kept(rootfs: Path, data: Path) -> None:
    srv = rootfs / "srv"
    (srv / "file").write_text("hello")
    os.setxattr(srv / "file", "user.note", b"kept")
    os.chown(srv / "file", 1000, 1001)
    os.chmod(srv / "file", 0o4751)
    os.utime(srv / "file", ns=(1_000_000_001, 2_000_000_002))
    os.link(srv / "file", srv / "sub" / "same")
    (srv / "link").symlink_to("/etc/passwd")
    os.lchown(srv / "link", 7, 8)
    os.mkfifo(srv / "pipe")
    os.chmod(srv / "pipe", 0o622)
    os.mknod(srv / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chown(srv, 33, 34)
    os.chmod(srv, 0o1770)
    os.utime(srv / "sub", ns=(3_000_000_003, 4_000_000_004))
    assert copy_up(rootfs, "/srv", data)

    file = (data / "file").stat()
    assert (data / "file").read_text() == "hello"
    assert (file.st_uid, file.st_gid, stat.S_IMODE(file.st_mode)) == (1000, 1001, 0o4751)
    assert file.st_mtime_ns == 2_000_000_002
    assert os.getxattr(data / "file", "user.note") == b"kept"
    assert (data / "sub" / "same").stat().st_ino == file.st_ino
    assert os.readlink(data / "link") == "/etc/passwd" and (data / "link").lstat().st_uid == 7
    assert stat.S_ISFIFO((data / "pipe").lstat().st_mode) and stat.S_IMODE((data / "pipe").lstat().st_mode) == 0o622
    assert (data / "null").lstat().st_rdev == os.makedev(1, 3)
    top = data.stat()
    assert (top.st_uid, top.st_gid, stat.S_IMODE(top.st_mode)) == (33, 34, 0o1770)
    assert (data / "sub").stat().st_mtime_ns == 4_000_000_004


def test_only_an_empty_volume_is_filled(rootfs: Path, data: Path) -> None:
    (rootfs / "srv" / "file").write_text("new")
    (data / "file").write_text("old")
    assert not copy_up(rootfs, "/srv", data)
    assert (data / "file").read_text() == "old"


@pytest.mark.parametrize("place", ["/nowhere", "/srv/file", "/loop/x"])
def test_a_place_that_is_no_folder_leaves_the_volume_empty(rootfs: Path, data: Path, place: str) -> None:
    (rootfs / "srv" / "file").write_text("x")
    (rootfs / "loop").symlink_to("loop")
    assert not copy_up(rootfs, place, data)
    assert os.listdir(data) == []


@pytest.mark.parametrize("target", ["/", "/etc", "../../../../etc", "/proc/self/root/etc"])
def test_links_of_the_image_do_not_leave_it(rootfs: Path, data: Path, target: str) -> None:
    (rootfs / "etc").mkdir()
    (rootfs / "etc" / "inside").write_text("the image's own")
    (rootfs / "trap").symlink_to(target)
    copy_up(rootfs, "/trap", data)
    assert not (data / "passwd").exists()
    assert not (data / "etc" / "passwd").exists()


def test_links_inside_the_folder_are_copied_as_links(rootfs: Path, data: Path) -> None:
    (rootfs / "srv" / "escape").symlink_to("/etc")
    assert copy_up(rootfs, "/srv", data)
    assert (data / "escape").is_symlink()


def test_folders_without_end_are_refused(rootfs: Path, data: Path) -> None:
    folder = os.open(rootfs / "srv", os.O_RDONLY)
    for _ in range(250):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    with pytest.raises(DataCorrupted):
        copy_up(rootfs, "/srv", data)


def test_overlay_attributes_are_not_copied(rootfs: Path, data: Path) -> None:
    try:
        os.setxattr(rootfs / "srv", "trusted.overlay.opaque", b"y")
    except OSError as error:
        assert error.errno == errno.ENOTSUP
    assert copy_up(rootfs, "/srv", data)
    assert "trusted.overlay.opaque" not in os.listxattr(data)
