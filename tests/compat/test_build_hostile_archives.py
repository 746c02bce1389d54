"""Archives and folders that mean harm, from every client: nothing leaves its place, and none costs without bound."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.hostile import assert_sound, dockerfile, engine_with_box, listing
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("archives")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "archives=1")


@pytest.fixture(scope="module")
def docker(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    return with_plugins(docker_program(), machine.host, tmp_path_factory.mktemp("x"), "archives=1", ["docker-buildx"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


# --- folders ---


@pytest.mark.parametrize("client", ["buildx", "classic"])
def test_what_a_folder_can_hold(pier: Pier, docker: Docker, project: Path, client: str) -> None:
    """Sent, and not handed over: links, devices and FIFOs are what they are, names have newlines."""
    os.mkfifo(project / "fifo")
    os.mknod(project / "null", 0o20644, os.makedev(1, 3))
    (project / "out").symlink_to("/etc")
    (project / "climbing").symlink_to("../../../../../../etc/shadow")
    (project / "new\nline").write_text("x")
    command = ("buildx", "build") if client == "buildx" else ("build",)
    where = dockerfile(project, "FROM scratch", "COPY . /all/")
    docker(*command, "-t", "odd", where, env={"DOCKER_BUILDKIT": "0" if client == "classic" else "1"})
    found = listing(pier, "odd")
    assert found["all/fifo"].isfifo()
    assert found["all/null"].ischr() and (found["all/null"].devmajor, found["all/null"].devminor) == (1, 3)
    assert found["all/out"].linkname == "/etc" and found["all/climbing"].linkname.endswith("/etc/shadow")
    assert "all/new\nline" in found


# --- archives ---


def packed(*infos: tarfile.TarInfo) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return data.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, size, target, 0o755
    return info


def links_out() -> bytes:
    """Hard links to files of the host's, and a folder that became a link on the way."""
    return packed(
        entry("hard", tarfile.LNKTYPE, target="/etc/passwd"),
        entry("up", tarfile.LNKTYPE, target="../../../../../../etc/passwd"),
        entry("d", tarfile.SYMTYPE, target="/tmp"),
        entry("d/pier-was-here-four", size=2),
    )


def too_long() -> bytes:
    """It claims more than it has."""
    return packed(entry("x", size=1 << 20))[: 1 << 19]


def huge() -> bytes:
    """Exbibytes, in a header."""
    info = entry("x")
    info.size = 1 << 62
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(10240)


def pax_bomb() -> bytes:
    """A header of 256 MiB, in a fraction of that."""
    info = entry("x", tarfile.XHDTYPE)
    info.size = 1 << 28
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(info.tobuf())
        for _ in range(1 << 4):
            file.write(b"9" * (1 << 24))
    return out.getvalue()


def deep() -> bytes:
    """A path of thousands of folders."""
    info = tarfile.TarInfo("/".join(["d"] * 3000) + "/x")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return data.getvalue()


def many() -> bytes:
    """As many empty files as fit into little."""
    return gzip.compress(packed(*(entry(f"{number:06}") for number in range(5_000))), 1)


@pytest.mark.parametrize("harm", [links_out, too_long, huge, pax_bomb, deep, many], ids=lambda each: each.__name__)
def test_an_archive(pier: Pier, machine: RunningEngine, project: Path, harm: Callable[[], bytes]) -> None:
    """It unfolds in its place, or is refused, without the daemon growing."""
    (project / "evil.tar").write_bytes(harm())
    before = peak(machine)
    done = pier("build", "-t", "evil", dockerfile(project, "FROM scratch", "ADD evil.tar /deep/"), code={0, 1})
    assert peak(machine) - before < 128
    assert not list(Path("/tmp").glob("pier-was-here*"))
    assert "internal error" not in done.err and "Traceback" not in done.err
    if done.code == 0:
        assert not [each for each in listing(pier, "evil").values() if each.isreg() and each.size > 1 << 20]
        pier("rmi", "evil")
    assert_sound(machine, pier)


def peak(engine: RunningEngine) -> int:
    """The most memory that the daemon has had, in MiB."""
    lines = Path(f"/proc/{engine.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


@pytest.mark.parametrize("harm", [links_out, too_long, huge, pax_bomb], ids=lambda each: each.__name__)
@pytest.mark.parametrize("client", ["pier", "classic"])
def test_an_archive_as_the_context(
    pier: Pier, docker: Docker, machine: RunningEngine, harm: Callable[[], bytes], client: str
) -> None:
    before = peak(machine)
    cli = pier if client == "pier" else docker
    done = cli("build", "-", stdin=harm(), code={0, 1}, env={"DOCKER_BUILDKIT": "0"})
    assert done.code == 1
    assert peak(machine) - before < 128
    assert not list(Path("/tmp").glob("pier-was-here*"))
    assert "internal error" not in done.err and "Traceback" not in done.err
    assert_sound(machine, pier)
