"""Extended attributes of context files: those that their user gave them go into the image, as with Docker's BuildKit.

What is expected is what Docker 26 and buildx made of it. They keep ``trusted.*`` and some of ``security.*`` of a client
that is root, too; Pier leaves these, which tell of the client's machine, where they are.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pier.testing.engine import RunningEngine, running_engine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.hostile import dockerfile
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.compat.test_pier_build import relay

CLIENTS = ("pier", "relayed", "buildx")
VALUE = b"v\0\xff\xc3\xa9"
GIVEN = {"f": "user.f", "d": "user.d", "d/g": "user.g", "d/e": "user.e", "d/e/h": "user.h"}
COPIES = (
    "COPY . /all/",
    "COPY --chmod=600 f /m",
    "COPY --chown=5:6 f /o",
    "COPY --link f /l",
    "COPY --link d /ld/",
    "ADD f /a",
    "ADD d /ad",
    "COPY f d /multi/",
)
KEPT = {
    "a": "user.f",
    "ad/e": "user.e",
    "ad/e/h": "user.h",
    "ad/g": "user.g",
    "all/d": "user.d",
    "all/d/e": "user.e",
    "all/d/e/h": "user.h",
    "all/d/g": "user.g",
    "all/f": "user.f",
    "l": "user.f",
    "ld/e": "user.e",
    "ld/e/h": "user.h",
    "ld/g": "user.g",
    "m": "user.f",
    "multi/e": "user.e",
    "multi/e/h": "user.h",
    "multi/f": "user.f",
    "multi/g": "user.g",
    "o": "user.f",
}

Built = Callable[[], dict[str, dict[str, bytes]]]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with running_engine(tmp_path_factory.mktemp("xattrs")) as engine:
        yield engine


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, machine: RunningEngine, tmp_path: Path) -> Iterator[Docker]:
    if request.param == "pier":
        yield Pier(machine.host, tmp_path / "config", "xattrs=1")
    elif request.param == "relayed":
        with relay(machine.host.removeprefix("unix://"), tmp_path / "relay.sock"):
            yield Pier(f"unix://{tmp_path}/relay.sock", tmp_path / "config", "xattrs=1")
    else:
        yield with_plugins(docker_program(), machine.host, tmp_path / "docker", "xattrs=1", ["docker-buildx"])


@pytest.fixture
def in_place(client: Docker, machine: RunningEngine) -> bool:
    """Whether the engine reads the client's own files: times of change tell it of attributes."""
    return isinstance(client, Pier) and client.host == machine.host


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "d/e").mkdir(parents=True)
    for name in ("f", "d/g", "d/e/h"):
        (folder / name).write_text(f"{tmp_path}")
    return folder


@pytest.fixture
def built(client: Docker, project: Path, tmp_path: Path) -> Built:
    """Builds, and returns the attributes of what has some."""

    return lambda: exported(client, project, tmp_path / "image.tar")


def exported(client: Docker, project: Path, place: Path) -> dict[str, dict[str, bytes]]:
    client("build", "-o", f"type=tar,dest={place}", str(project))
    with tarfile.open(place, errors="surrogateescape") as tar:
        return {info.name: found for info in tar if (found := attributes(info))}


def attributes(info: tarfile.TarInfo) -> dict[str, bytes]:
    prefix = "SCHILY.xattr."
    found = {name: value for name, value in info.pax_headers.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): value.encode("utf-8", "surrogateescape") for name, value in found.items()}


def test_they_are_kept(built: Built, project: Path) -> None:
    dockerfile(project, "FROM scratch", *COPIES)
    for name, given in GIVEN.items():
        os.setxattr(project / name, given, VALUE)
        os.setxattr(project / name, "trusted.ours", b"1")
        os.setxattr(project / name, "security.ours", b"1")
    assert built() == {name: {given: VALUE} for name, given in KEPT.items()}


def test_a_file_that_is_written_again(built: Built, project: Path, in_place: bool) -> None:
    """One that is as large and as old as before is not sent again: with Docker, too, its attributes stay the same."""
    dockerfile(project, "FROM scratch", "COPY f /f")
    assert built() == {}
    os.setxattr(project / "f", "user.a", b"1")
    assert built() == ({"f": {"user.a": b"1"}} if in_place else {})
    os.utime(project / "f")
    assert built() == {"f": {"user.a": b"1"}}
    os.setxattr(project / "f", "user.a", b"2")
    os.utime(project / "f")
    assert built() == {"f": {"user.a": b"2"}}
    os.removexattr(project / "f", "user.a")
    os.utime(project / "f")
    assert built() == {}


def test_folders(built: Built, project: Path) -> None:
    """Docker takes theirs from folders that it has not had yet; Pier whenever they change."""
    dockerfile(project, "FROM scratch", "COPY . /all/")
    assert built() == {}
    os.setxattr(project / "d/e", "user.empty", b"")
    assert built() == {"all/d/e": {"user.empty": b""}}
    os.setxattr(project / "d/e", "user.empty", b"no more")
    os.setxattr(project, "user.of-the-context", b"1")
    assert built() == {"all/d/e": {"user.empty": b"no more"}}
    os.removexattr(project / "d/e", "user.empty")
    assert built() == {}


def test_values_that_only_the_client_has_room_for(client: Docker, tmp_path: Path) -> None:
    """tmpfs takes 64 KiB, ext4 less than 4. What the engine's file system does not take is left out."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        project = Path(folder)
        dockerfile(project, "FROM scratch", "COPY f /f")
        (project / "f").write_text(f"{tmp_path}")
        os.setxattr(project / "f", "user.small", b"1")
        os.setxattr(project / "f", "user.big", b"x" * 60_000)
        assert exported(client, project, tmp_path / "image.tar")["f"]["user.small"] == b"1"


def test_archives(client: Docker, tmp_path: Path) -> None:
    context, place = BytesIO(), tmp_path / "image.tar"
    with tarfile.open(fileobj=context, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {"Dockerfile": b"FROM scratch\nCOPY f /f\n", "f": os.fsencode(tmp_path)}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.pax_headers = (
                {"SCHILY.xattr.user.a": "1"} if name == "f" else {}
            )  # buildx looks at the first block only
            tar.addfile(info, BytesIO(data))
    client("build", "-o", f"type=tar,dest={place}", "-", stdin=context.getvalue())
    with tarfile.open(place) as tar:
        assert attributes(tar.getmember("f")) == {"user.a": b"1"}
