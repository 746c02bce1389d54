"""``docker cp``: files and folders in and out, of running and stopped containers."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually


@pytest.fixture(params=["created", "running"])
def box(request: pytest.FixtureRequest, cli: Docker, name: str) -> str:
    cli("create", "--name", name, IMAGE, "sleep", "1000")
    if request.param == "running":
        cli("start", name)
    return name


def fetch(cli: Docker, source: str) -> dict[str, tarfile.TarInfo]:
    """The members of ``docker cp source -``."""
    with tarfile.open(fileobj=io.BytesIO(cli("cp", source, "-").stdout)) as archive:
        return {member.name: member for member in archive}


def test_a_file_in_and_out(cli: Docker, box: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(300_000))
    source.chmod(0o640)
    os.utime(source, (1_600_000_000, 1_600_000_000))
    cli("cp", str(source), f"{box}:/tmp/copied")
    cli("cp", f"{box}:/tmp/copied", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    member = fetch(cli, f"{box}:/tmp/copied")["copied"]
    assert (member.mode & 0o777, int(member.mtime), member.uid) == (0o640, 1_600_000_000, 0)


def test_into_a_folder(cli: Docker, box: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cli("cp", str(tmp_path / "file"), f"{box}:/tmp/")
    assert "file" in fetch(cli, f"{box}:/tmp/file")
    assert "no such directory" in cli.fails("cp", str(tmp_path / "file"), f"{box}:/absent/").lower()


def test_folders(cli: Docker, box: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/er/file").write_text("content")
    (tree / "link").symlink_to("deep/er/file")
    cli("cp", str(tree), f"{box}:/tmp/whole")
    cli("cp", str(tree) + "/.", f"{box}:/tmp")
    names = fetch(cli, f"{box}:/tmp")
    for member in ("tmp/whole/deep/er/file", "tmp/deep/er/file", "tmp/link"):
        assert member in names
    assert names["tmp/link"].linkname == "deep/er/file"
    cli("cp", f"{box}:/tmp/whole", str(tmp_path / "out"))
    assert (tmp_path / "out/deep/er/file").read_text() == "content"
    assert (tmp_path / "out/link").is_symlink()


def test_through_standard_streams(cli: Docker, box: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("piped")
        info.size, info.uid = 5, 1000
        archive.addfile(info, io.BytesIO(b"hello"))
    cli("cp", "-", f"{box}:/tmp", stdin=stream.getvalue())
    assert fetch(cli, f"{box}:/tmp/piped")["piped"].size == 5


def test_archive_mode_keeps_owners(cli: Docker, box: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    os.chown(tmp_path / "mine", 1234, 4321)
    cli("cp", "-a", str(tmp_path / "mine"), f"{box}:/tmp/mine")
    member = fetch(cli, f"{box}:/tmp/mine")["mine"]
    assert (member.uid, member.gid) == (1234, 4321)


@pytest.mark.parametrize("ending", ["true", "sleep 1000"])
def test_links_in_the_container_stay_inside(cli: Docker, name: str, tmp_path: Path, ending: str) -> None:
    """``/etc`` behind a link is the container's: for reading and for writing, of a stopped and a running one."""
    script = f"ln -s ../../../../../../etc /tmp/up; ln -s /etc /tmp/absolute; echo made; exec {ending}"
    cli("run", "-d", "--name", name, IMAGE, "sh", "-c", script)
    eventually(lambda: "made" in cli("logs", name).out)
    box = name
    (tmp_path / "planted").write_text("x")
    for link in ("up", "absolute"):
        cli("cp", f"{box}:/tmp/{link}/passwd", str(tmp_path / "passwd"))
        assert "web:x:1000" in (tmp_path / "passwd").read_text()
        cli("cp", str(tmp_path / "planted"), f"{box}:/tmp/{link}/planted-by-test")
        assert not Path("/etc/planted-by-test").exists()
        assert "planted-by-test" in fetch(cli, f"{box}:/etc/planted-by-test")


def test_following_links(cli: Docker, box: str, tmp_path: Path) -> None:
    cli("cp", f"{box}:/bin/sh", str(tmp_path / "link"))
    assert os.readlink(tmp_path / "link") == "busybox"
    cli("cp", "-L", f"{box}:/bin/sh", str(tmp_path / "program"))
    assert (tmp_path / "program").stat().st_size > 100_000


def test_errors(cli: Docker, box: str, tmp_path: Path) -> None:
    assert f"Could not find the file /absent in container {box}" in cli.fails("cp", f"{box}:/absent", str(tmp_path))
    (tmp_path / "file").write_text("x")
    message = cli.fails("cp", str(tmp_path / "file"), f"{box}:/data/seed/below")
    assert "not a directory" in message.lower() or "extraction point" in message
    assert "no such file or directory" in cli.fails("cp", str(tmp_path / "absent"), f"{box}:/tmp")
    assert "cannot copy directory" in cli.fails("cp", str(tmp_path), f"{box}:/etc/passwd")
    assert "copying between containers is not supported" in cli.fails("cp", f"{box}:/a", f"{box}:/b")


def test_diff_and_export(cli: Docker, box: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("x")
    cli("cp", str(tmp_path / "new"), f"{box}:/etc/new")
    assert {"C /etc", "A /etc/new"} <= set(cli("diff", box).lines)
    with tarfile.open(fileobj=io.BytesIO(cli("export", box).stdout)) as archive:
        names = set(archive.getnames())
    assert {"etc/new", "bin/busybox", "www/index.html"} <= names


def test_volumes_are_reached(cli: Docker, name: str, tmp_path: Path) -> None:
    cli("create", "-v", "/vol", "--name", name, IMAGE, "cat", "/vol/given")
    (tmp_path / "given").write_text("through the volume")
    cli("cp", str(tmp_path / "given"), f"{name}:/vol/given")
    assert cli("start", "-a", name).out == "through the volume"


def test_volumes_of_a_container_that_never_ran(cli: Docker, name: str, tmp_path: Path) -> None:
    """The image has no folder to mount the volume on, and the container has not made one yet."""
    (tmp_path / "new").write_text("new")
    cli("create", "--name", name, "-v", "/no/such/place", IMAGE, "cat", "/no/such/place/new", "/etc/new")
    cli("cp", str(tmp_path / "new"), f"{name}:/no/such/place/new")
    cli("cp", str(tmp_path / "new"), f"{name}:/etc/new")
    assert b"new" in cli("cp", f"{name}:/no/such/place/new", "-").stdout
    assert cli("start", "-a", name).out == "newnew"


def test_a_read_only_root_refuses(cli: Docker, name: str, tmp_path: Path) -> None:
    cli("create", "--read-only", "--name", name, IMAGE)
    (tmp_path / "file").write_text("x")
    assert "read-only" in cli.fails("cp", str(tmp_path / "file"), f"{name}:/tmp/x")
