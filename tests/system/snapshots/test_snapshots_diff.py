"""Tars into layers and back: metadata, whiteouts, replaced entries, and archives that mean harm."""

import asyncio
import gzip
import io
import os
import resource
import stat
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.errors import DataCorrupted, NoSpace, PierError
from pier.linux.mount import Mount, mount, unmount
from pier.metadata.db import Database
from pier.metadata.journal import SqliteJournal
from pier.snapshots import diff
from pier.snapshots.diff import Applied
from pier.snapshots.overlay import OverlaySnapshotter
from pier.snapshots.snapshotter import Layer
from pier.testing.snapshots import make_layer, mounted
from pier.testing.tars import (
    END,
    device,
    digest,
    entry,
    folder,
    hard_link,
    patched,
    symlink,
    tar,
)

NANO = 1_000_000_000
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def output(*argv: str) -> bytes:
    """What a program prints; it must succeed."""
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout


def make_sparse(path: Path) -> None:
    with open(path, "wb") as file:
        for number in range(40):
            file.seek(number * 200_000)
            file.write(b"data" * 1024)
        file.truncate(50_000_000)


def below(root: Path, name: str) -> list[Path]:
    return list(root.rglob(name))


async def unpacked(snapshots: OverlaySnapshotter, data: bytes, parent: Layer | None = None) -> Layer:
    writer = snapshots.begin_layer()
    try:
        applied: Applied = await diff.apply_layer(pieces(data), writer)
        return writer.commit(parent.chain_id if parent else None, applied.diff_id, applied.size, applied.skeleton)
    finally:
        writer.abort()


async def again(layer: Layer) -> bytes:
    return b"".join([piece async for piece in diff.layer_tar(layer)])


async def refused(snapshots: OverlaySnapshotter, data: bytes, kind: type[PierError] = DataCorrupted) -> str:
    """The message of the refusal, after which nothing may be left."""
    with pytest.raises(kind) as caught:
        await unpacked(snapshots, data)
    assert "\n" not in str(caught.value)
    assert snapshots.layers() == {}
    assert snapshots.verify() == []
    return str(caught.value)


# --- what must be kept ---


async def test_metadata_is_kept(snapshots: OverlaySnapshotter) -> None:
    layer = await unpacked(
        snapshots,
        tar(
            folder("./", mode=0o755, mtime=5 * NANO),
            folder("d/", mode=0o1777, uid=10, gid=20, mtime=1_700_000_000_123_456_789),
            entry("d/suid", b"x", mode=0o6755, uid=1000, gid=2000, mtime=1_600_000_000_000_000_001),
            entry("d/cap", b"y", xattrs={b"security.capability": CAPABILITY, b"user.note": b"\0\xff"}),
            symlink("d/link", "/etc/passwd", uid=7, gid=8, mtime=9 * NANO),
            device("null", 1, 3),
            entry("fifo", kind=b"6", mode=0o640),
            entry("big-owner", uid=4_000_000_000, gid=3_000_000_000),
        ),
    )
    status = os.lstat(layer.root / "d/suid")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o6755, 1000, 2000)
    assert status.st_mtime_ns == 1_600_000_000_000_000_001
    status = os.lstat(layer.root / "d")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_mtime_ns) == (0o1777, 10, 1_700_000_000_123_456_789)
    assert os.getxattr(layer.root / "d/cap", "security.capability") == CAPABILITY
    assert os.getxattr(layer.root / "d/cap", "user.note") == b"\0\xff"
    status = os.lstat(layer.root / "d/link")
    assert (status.st_uid, status.st_mtime_ns, os.readlink(layer.root / "d/link")) == (7, 9 * NANO, "/etc/passwd")
    status = os.lstat(layer.root / "null")
    assert stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO(os.lstat(layer.root / "fifo").st_mode)
    assert os.lstat(layer.root / "big-owner").st_uid == 4_000_000_000
    assert os.lstat(layer.root).st_mtime_ns == 5 * NANO


async def test_hard_links(snapshots: OverlaySnapshotter) -> None:
    data = tar(
        entry("a", b"data" * 1000), hard_link("d/b", "a"), hard_link("c", "/a"), symlink("s", "a"), hard_link("t", "s")
    )
    layer = await unpacked(snapshots, data)
    assert os.lstat(layer.root / "a").st_nlink == 3
    assert os.readlink(layer.root / "t") == "a"
    assert await again(layer) == data


async def test_parents_are_made(snapshots: OverlaySnapshotter) -> None:
    layer = await unpacked(
        snapshots, tar(entry("a/b/c/file", b"x"), symlink("e/link", "x"), entry("big/file", b"y" * 500_000))
    )
    assert (layer.root / "a/b/c/file").read_bytes() == b"x"
    assert stat.S_IMODE(os.lstat(layer.root / "a").st_mode) == 0o755
    assert (layer.root / "big/file").stat().st_size == 500_000


async def test_strange_names(snapshots: OverlaySnapshotter) -> None:
    names = [b"\xff\xfe", b"new\nline", b"sp ace", b"-rf", "ä".encode(), b"x" * 255, b"d/" * 120 + b"deep"]
    data = tar(*(entry(name, name) for name in names))
    layer = await unpacked(snapshots, data)
    for name in names:
        assert (layer.root / os.fsdecode(name)).read_bytes() == name
    assert await again(layer) == data


@pytest.mark.parametrize("size", [0, 1, 511, 512, 256 * 1024, 256 * 1024 + 1, 3_000_000])
async def test_files_of_all_sizes(snapshots: OverlaySnapshotter, size: int) -> None:
    content = os.urandom(size)
    data = tar(entry("a", content), entry("b", b"after"))
    layer = await unpacked(snapshots, data)
    assert (layer.root / "a").read_bytes() == content
    assert (layer.root / "b").read_bytes() == b"after"
    assert (layer.diff_id, layer.tar_size, layer.size) == (digest(data), len(data), size + 5)
    assert await again(layer) == data


@pytest.mark.parametrize("form", ["--format=gnu", "--format=pax", "--format=ustar", "--format=v7"])
async def test_a_tar_of_gnu_tar(snapshots: OverlaySnapshotter, tmp_path: Path, form: str) -> None:
    tree = tmp_path / "tree"
    for number in range(300):
        path = tree / f"d{number % 7}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 37))
    os.link(tree / "d1/file1", tree / "d2/hard")
    os.symlink("../d1", tree / "d2/soft")
    data = output("tar", form, "-C", str(tree), "-c", ".")
    layer = await unpacked(snapshots, data)
    assert output("diff", "-r", "--no-dereference", str(tree), str(layer.root)) == b""
    assert await again(layer) == data


@pytest.mark.parametrize(
    "form",
    [["--format=gnu"], ["--format=pax"]]
    + [["--format=pax", f"--sparse-version={version}"] for version in ("0.0", "0.1", "1.0")],
)
async def test_sparse_files(snapshots: OverlaySnapshotter, tmp_path: Path, form: list[str]) -> None:
    path = tmp_path / "sparse"
    make_sparse(path)
    data = output("tar", *form, "-S", "-C", str(tmp_path), "-c", "sparse")
    assert len(data) < 1_000_000
    layer = await unpacked(snapshots, data)
    assert (layer.root / "sparse").read_bytes() == path.read_bytes()
    assert os.stat(layer.root / "sparse").st_blocks * 512 < 2_000_000
    assert await again(layer) == data


async def test_a_compressed_layer_is_kept_as_it_came(snapshots: OverlaySnapshotter, tmp_path: Path) -> None:
    data = tar(entry("a", os.urandom(700_000)))
    blob = gzip.compress(data)
    writer = snapshots.begin_layer()
    keep = os.open(tmp_path / "kept", os.O_RDWR | os.O_CREAT)
    applied = await diff.apply_layer(pieces(blob), writer, keep=keep)
    os.close(keep)
    writer.abort()
    assert (applied.diff_id, applied.tar_size) == (digest(data), len(data))
    assert (applied.digest, applied.blob_size) == (digest(blob), len(blob))
    assert (tmp_path / "kept").read_bytes() == blob


# --- whiteouts ---


async def test_whiteouts(snapshots: OverlaySnapshotter) -> None:
    base = await unpacked(
        snapshots, tar(entry("gone"), entry("d/gone"), entry("d/kept"), entry("o/old"), entry("r/old"))
    )
    upper = tar(
        entry(".wh.gone"),
        entry("d/.wh.gone", b"whiteouts may have content"),
        folder("o/"),
        entry("o/.wh..wh..opq"),
        entry("o/new"),
        entry(".wh.r"),
        folder("r/"),
        entry("r/new"),
        entry(".wh..wh.plnk"),
        entry(".wh.never-was"),
    )
    top = await unpacked(snapshots, upper, base)
    snapshots.create_rw("c1", top.chain_id)
    with mounted(snapshots, "c1") as root:
        found = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        assert [name for name in found if not name.startswith(("etc", "dev", ".dock"))] == ["d/kept", "o/new", "r/new"]
    assert stat.S_ISCHR(os.lstat(top.root / "gone").st_mode)
    assert os.getxattr(top.root / "o", "trusted.overlay.opaque") == b"y"
    assert await again(top) == upper


async def test_a_whiteout_does_not_touch_its_own_layer(snapshots: OverlaySnapshotter) -> None:
    base = await unpacked(snapshots, tar(entry("d/below"), entry("f", b"below")))
    top = await unpacked(snapshots, tar(entry("f", b"own"), entry("d/own"), entry(".wh.f"), entry(".wh.d")), base)
    snapshots.create_rw("c1", top.chain_id)
    with mounted(snapshots, "c1") as root:
        assert (root / "f").read_bytes() == b"own"
        assert os.listdir(root / "d") == ["own"]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh..", "d/.wh..."])
async def test_whiteouts_of_the_root_and_of_parents(snapshots: OverlaySnapshotter, name: str) -> None:
    assert "invalid whiteout" in await refused(snapshots, tar(folder("d/"), entry(name)))


# --- entries that replace earlier ones ---


@pytest.mark.parametrize("size", [10, 300_000])
async def test_replaced_entries(snapshots: OverlaySnapshotter, size: int) -> None:
    first, second = os.urandom(size), os.urandom(size + 1)
    data = tar(
        entry("same", first),
        entry("same", second),
        entry("same", first + second),
        entry("file-then-folder", first),
        folder("file-then-folder/"),
        entry("file-then-folder/x", second),
        folder("tree/"),
        entry("tree/a", first),
        entry("tree/b/c", second),
        symlink("tree", "elsewhere"),
        symlink("link", "same"),
        entry("link", b"a file now"),
        folder("kept/", mode=0o700),
        entry("kept/x", b"x"),
        folder("kept/", mode=0o750),
    )
    layer = await unpacked(snapshots, data)
    assert (layer.root / "same").read_bytes() == first + second
    assert (layer.root / "file-then-folder/x").read_bytes() == second
    assert os.readlink(layer.root / "tree") == "elsewhere"
    assert (layer.root / "link").read_bytes() == b"a file now"
    assert (layer.root / "kept/x").read_bytes() == b"x"
    assert stat.S_IMODE((layer.root / "kept").stat().st_mode) == 0o750
    assert await again(layer) == data


async def test_a_changed_layer_is_noticed(snapshots: OverlaySnapshotter) -> None:
    layer = await unpacked(snapshots, tar(entry("a", b"good"), entry("b", b"x")))
    (layer.root / "a").write_bytes(b"evil")
    with pytest.raises(DataCorrupted, match="has changed on disk"):
        await again(layer)
    (layer.root / "a").write_bytes(b"longer")
    with pytest.raises(DataCorrupted, match="has changed"):
        await again(layer)
    (layer.root / "a").unlink()
    os.symlink("/etc/passwd", layer.root / "a")
    with pytest.raises(DataCorrupted, match="layer file"):
        await again(layer)


# --- archives that mean harm ---


@pytest.mark.parametrize(
    "name", ["../escape", "/../escape", "a/../../escape", "./../../../../../../../../tmp/pier-escape"]
)
async def test_names_outside(snapshots: OverlaySnapshotter, name: str) -> None:
    assert "is outside of the layer" in await refused(snapshots, tar(entry(name, b"x")))


async def test_a_hard_link_to_the_outside(snapshots: OverlaySnapshotter) -> None:
    assert "outside" in await refused(snapshots, tar(hard_link("x", "../../../../../etc/passwd")))
    assert "no such file" in await refused(snapshots, tar(hard_link("x", "/etc/passwd")))


@pytest.mark.parametrize("target", ["/", "/tmp", "../../../../../../../tmp", "/proc/self/root/tmp"])
async def test_writing_through_a_symlink(snapshots: OverlaySnapshotter, target: str, root: Path) -> None:
    """It leads to the same place inside the layer, if there is one, and never outside."""
    victim = f"pier-victim-{os.getpid()}"
    data = tar(folder("tmp/"), symlink("x", target), entry(f"x/{victim}", b"x"), entry("x", b"replaced"))
    try:
        layer = await unpacked(snapshots, data)
    except DataCorrupted:
        assert snapshots.verify() == []
    else:
        assert (layer.root / "x").read_bytes() == b"replaced"
        assert all(path.is_relative_to(layer.root) for path in below(root, victim))
    assert victim not in os.listdir("/tmp") + os.listdir("/")


async def test_a_file_over_a_symlink_does_not_follow_it(snapshots: OverlaySnapshotter) -> None:
    data = tar(
        entry("target", b"safe"),
        symlink("x", "target"),
        entry("x", b"own"),
        symlink("y", "/dev/null"),
        entry("y", b"z"),
    )
    layer = await unpacked(snapshots, data)
    assert (layer.root / "target").read_bytes() == b"safe"
    assert (layer.root / "x").read_bytes() == b"own"
    assert "y" in os.listdir(layer.root) and stat.S_ISREG(os.lstat(layer.root / "y").st_mode)


async def test_devices_and_fifos_are_never_opened(snapshots: OverlaySnapshotter) -> None:
    data = tar(device("disk", 254, 0, b"4"), entry("disk", b"x"), entry("pipe", kind=b"6"), entry("pipe", b"y"))
    layer = await unpacked(snapshots, data)
    assert (layer.root / "disk").read_bytes() == b"x"
    assert (layer.root / "pipe").read_bytes() == b"y"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar(entry("x", b"y"), entry("x/y", b"z")), "x/y"),
        (tar(entry("n", kind=b"D")), "unhandled tar header type"),
        (tar(symlink("x", "")), "x"),
        (tar(entry("d/" * 10_000 + "x")), "too long"),
        (tar(entry("x" * 300)), "too long"),
        (tar(entry("", b"x")), "invalid name"),
        (tar(entry("./", b"x")), "invalid name"),
        (tar(symlink(".", "/etc")), "invalid name"),
        (tar(entry("x", uid=0xFFFFFFFF)), "invalid tar header"),
        (patched(entry("x"), 124, b"\xff" * 12) + END, "invalid tar header"),
        (patched(entry("x"), 124, b"77777777777\0") + END, "unexpected EOF"),
        (patched(entry("x"), 124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff") + END, "unexpected EOF"),
        (entry("x", b"y" * 2000)[:1000], "unexpected EOF"),
        (entry("x", b"y")[:300], "unexpected EOF"),
        (b"\x05" * 4096, "invalid tar header"),
        (b"not a tar", "unexpected EOF"),
        (gzip.compress(tar(entry("x", os.urandom(5000))))[:-1000], "unexpected EOF"),
        (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 100, "decompress"),
        (b"\x28\xb5\x2f\xfd" + os.urandom(100), "decompress"),
    ],
)
async def test_what_is_refused(snapshots: OverlaySnapshotter, data: bytes, message: str) -> None:
    assert message in await refused(snapshots, data)


async def test_overlay_xattrs_are_not_the_archives_to_set(snapshots: OverlaySnapshotter) -> None:
    evil = {b"trusted.overlay.redirect": b"/etc", b"trusted.overlay.metacopy": b"", b"user.overlay.opaque": b"y"}
    data = tar(folder("d/", xattrs=evil), entry("f", b"x", xattrs={**evil, b"user.ok": b"1"}))
    layer = await unpacked(snapshots, data)
    assert os.listxattr(layer.root / "d") == []
    assert os.listxattr(layer.root / "f") == ["user.ok"]
    assert await again(layer) == data


async def test_a_bomb_costs_no_memory(snapshots: OverlaySnapshotter) -> None:
    """300 MB of nothing in 300 kB: the file is made, and no child grows large over it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    size = 300_000_000
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as file:
        file.write(patched(entry("zeros"), 124, b"%011o\0" % size))
        for _ in range(size // 1_000_000):
            file.write(bytes(1_000_000))
        file.write(bytes(-size % 512) + END)
    layer = await unpacked(snapshots, buffer.getvalue())
    assert (layer.root / "zeros").stat().st_size == size
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, 150_000)


async def test_many_headers_without_end(snapshots: OverlaySnapshotter) -> None:
    """A pax header for every entry that never comes is read as a stream, too."""
    piece = patched(entry("pax_global_header", b"13 comment=x\n"), 156, b"g")
    layer = await unpacked(snapshots, piece * 20_000 + END)
    assert layer.size == 0


async def test_a_full_disk(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    mount(Mount("tmpfs", "tmpfs", root, ("size=4m",)))
    try:
        snapshots = OverlaySnapshotter(root, SqliteJournal(Database(":memory:")))
        for size in (200_000, 900_000):  # files that workers make, and pieces of a large one
            data = tar(*(entry(f"dir/f{number}", os.urandom(size)) for number in range(6_000_000 // size)))
            message = await refused(snapshots, data, NoSpace)
            assert "no space left on device" in message
            assert "dir/f" in message
        snapshots.close()
        assert os.listdir(root / "overlay2/.trash") == []
    finally:
        unmount(root)


async def test_a_cancelled_unpack_leaves_nothing(snapshots: OverlaySnapshotter) -> None:
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield entry("a", b"x" * 1000)
        reached.set()
        await asyncio.Event().wait()

    async def work() -> None:
        writer = snapshots.begin_layer()
        try:
            await diff.apply_layer(endless(), writer)
        finally:
            writer.abort()

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert snapshots.verify() == []


# --- new tars ---


async def test_what_a_container_changed(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"gone": "1", "d/old": "2", "edit": "3"})
    snapshots.create_rw("c1", base.chain_id)
    with mounted(snapshots, "c1") as root:
        (root / "gone").unlink()
        (root / "d/old").unlink()
        (root / "d").rmdir()
        (root / "d").mkdir()
        (root / "d/new").write_text("new")
        (root / "edit").write_text("edited")
        os.chmod(root / "edit", 0o4755)
        os.link(root / "edit", root / "hard")
        os.symlink("edit", root / "soft")
        os.mkfifo(root / "fifo")
        os.setxattr(root / "edit", "security.capability", CAPABILITY)
    packing = diff.write_diff(snapshots.upper("c1"))
    data = b"".join([piece async for piece in packing])
    assert (packing.result.diff_id, packing.result.size) == (digest(data), len(data))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
        assert names == ["d", "d/.wh..wh..opq", "d/new", "edit", "fifo", ".wh.gone", "hard", "soft"]
        assert archive.getmember("hard").linkname == "edit"
        assert "SCHILY.xattr.security.capability" in archive.getmember("edit").pax_headers
    top = await unpacked(snapshots, data, base)
    snapshots.create_rw("c2", top.chain_id)
    with mounted(snapshots, "c2") as root:
        assert sorted(os.listdir(root / "d")) == ["new"]
        assert not (root / "gone").exists()
        assert os.getxattr(root / "edit", "security.capability") == CAPABILITY
        assert (root / "hard").read_text() == "edited"


async def test_a_whole_tree(snapshots: OverlaySnapshotter) -> None:
    base = make_layer(snapshots, None, {"a/b": "1"})
    packing = diff.write_tree(base.root)
    data = b"".join([piece async for piece in packing])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["a", "a/b"]


async def test_a_tar_that_nobody_reads_to_its_end(snapshots: OverlaySnapshotter) -> None:
    layer = await unpacked(snapshots, tar(entry("a", os.urandom(5_000_000))))
    stream = diff.layer_tar(layer)
    assert await anext(stream)
    await stream.aclose()
