"""Disks that are full, the engine's and the client's: the error says so, nothing is left, the next build is right."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.hostile import assert_sound, dockerfile, engine_with_box, layers
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.compat.sites import site

FULL = "no space left on device"
STEP = "RUN dd if=/dev/urandom of=/x bs=1M count=60"


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A small one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """Its data root is on a disk of 48 MiB."""
    with disk(tmp_path_factory.mktemp("full") / "disk", "48m") as folder, engine_with_box(folder) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "full=1")


@pytest.fixture(scope="module")
def docker(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    return with_plugins(docker_program(), machine.host, tmp_path_factory.mktemp("x"), "full=1", ["docker-buildx"])


@pytest.fixture(autouse=True)
def room(pier: Pier, machine: RunningEngine) -> Iterator[None]:
    """Each test begins with what the disk had at first, and may leave no more.

    A build whose client has failed takes a moment to end in the engine: what it holds cannot be pruned before.
    """
    pier("builder", "prune", "-af")
    before = layers(machine)
    yield
    pier("rmi", "-f", "after", code={0, 1})

    def as_before() -> bool:
        pier("image", "prune", "-f")
        pier("builder", "prune", "-af")
        return layers(machine) == before

    eventually(as_before, "the layers are those of before")
    assert_sound(machine, pier)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "file").write_text("small")
    return folder


def assert_next_is_right(pier: Pier, project: Path) -> None:
    pier("build", "-t", "after", dockerfile(project, "FROM box", "COPY file /", "RUN cat /file"))
    assert pier("run", "--rm", "after", "cat", "/file").out == "small"


# --- the engine's ---


def test_what_does_not_fit(pier: Pier, machine: RunningEngine, project: Path) -> None:
    """A step, one that hides its failure, files, all of a folder, and an archive that unfolds."""
    (project / "large").write_bytes(os.urandom(60 << 20))
    bomb(project / "bomb.tar.gz")
    for line in (STEP, f"{STEP} 2>/dev/null; true", "COPY large /", "COPY . /all", "ADD bomb.tar.gz /"):
        assert FULL in pier.fails("build", dockerfile(project, "FROM box", line)).lower()
        assert_sound(machine, pier)
    assert_next_is_right(pier, project)


def bomb(path: Path) -> None:
    """200 MiB of zeros."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar, open("/dev/zero", "rb") as zeros:
        info = tarfile.TarInfo("zeros")
        info.size = 200 << 20
        tar.addfile(info, zeros)


@pytest.mark.parametrize("client", ["buildx", "classic"])
def test_a_context_that_does_not_fit(pier: Pier, docker: Docker, project: Path, client: str) -> None:
    """It is sent here first."""
    (project / "large").write_bytes(os.urandom(60 << 20))
    command = ("buildx", "build") if client == "buildx" else ("build",)
    where = dockerfile(project, "FROM box", "COPY . /all")
    plain = {"DOCKER_BUILDKIT": "0" if client == "classic" else "1"}
    assert FULL in docker(*command, where, code=1, env=plain).err.lower()
    (project / "large").unlink()
    assert_next_is_right(pier, project)


def test_a_download_without_an_end(pier: Pier, machine: RunningEngine, project: Path) -> None:
    with site(project) as web:
        for source in ("endless", "endless/context.tar.gz"):
            where = dockerfile(project, "FROM box", f"ADD {web.url}/broken/{source} /it")
            assert FULL in pier.fails("build", where).lower()
            assert_sound(machine, pier)
        assert FULL in pier.fails("build", f"{web.url}/broken/endless").lower()
    assert_next_is_right(pier, project)


@pytest.mark.parametrize(
    "output",
    [
        "type=image,compression=gzip,force-compression=true",
        "type=oci,dest={0}",
        "type=tar,dest={0}",
    ],
)
@pytest.mark.parametrize("client", ["pier", "buildx"])
def test_an_export_for_which_there_is_no_room(
    pier: Pier, docker: Docker, machine: RunningEngine, project: Path, tmp_path: Path, output: str, client: str
) -> None:
    """The layers fit, and next to nothing else: an export that needs no room of the engine's comes out whole."""
    where = dockerfile(project, "FROM box", "RUN dd if=/dev/urandom of=/x bs=1M count=12 2>/dev/null")
    command = ("build",) if client == "pier" else ("buildx", "build")
    cli = pier if client == "pier" else docker
    cli(*command, where)
    with filled(machine):
        done = cli(*command, "-o", output.format(tmp_path / "out"), where, code={0, 1})
        if done.code:
            assert FULL in done.err.lower()
            assert client == "buildx" or not (tmp_path / "out").exists()
        elif "dest" in output:
            assert (tmp_path / "out").stat().st_size > 12 << 20
    assert_sound(machine, pier)
    cli(*command, "-o", output.format(tmp_path / "out"), where)
    assert_next_is_right(pier, project)


@contextmanager
def filled(machine: RunningEngine) -> Iterator[None]:
    """The disk has 100 KiB left."""
    ballast = machine.folder / "ballast"
    left = os.statvfs(machine.folder)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - 100 * 1024)
    try:
        yield
    finally:
        ballast.unlink()


# --- the client's ---


@pytest.mark.parametrize("kind", ["tar", "oci", "local"])
@pytest.mark.parametrize("client", ["pier", "buildx"])
def test_a_result_that_does_not_fit(
    pier: Pier, docker: Docker, machine: RunningEngine, project: Path, tmp_path: Path, kind: str, client: str
) -> None:
    where = dockerfile(project, "FROM box", "RUN dd if=/dev/urandom of=/x bs=1M count=8 2>/dev/null")
    command = ("build",) if client == "pier" else ("buildx", "build")
    cli = pier if client == "pier" else docker
    with disk(tmp_path / "small", "6m") as folder:
        text = cli(*command, "-o", f"type={kind},dest={folder}/out", where, code=1).err
        assert FULL in text.lower()
        if client == "pier" and kind != "local":
            assert os.listdir(folder) == []
        assert_sound(machine, pier)
    cli(*command, "-o", f"type={kind},dest={tmp_path}/out", where)
    assert (tmp_path / "out").exists()
    assert_next_is_right(pier, project)
