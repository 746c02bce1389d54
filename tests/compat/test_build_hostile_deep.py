"""Contexts deeper, and with longer paths, than a system call takes: an image or one clear error, from every client."""

import os
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from pier.linux.trees import remove_tree
from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.hostile import assert_sound, dockerfile, engine_with_box, listing
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.compat.test_pier_build import relay

CLIENTS = ("pier", "relayed", "buildx", "classic")
LONG = "n" * 200


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("deep")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "deep=1")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Removed here: pytest does not manage it."""
    folder = tmp_path / "project"
    folder.mkdir()
    yield folder
    remove_tree(folder)


@pytest.fixture(params=CLIENTS)
def client(
    request: pytest.FixtureRequest, machine: RunningEngine, pier: Pier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Docker]:
    if request.param == "pier":
        yield pier
    elif request.param == "relayed":
        with relay(machine.host.removeprefix("unix://"), tmp_path / "relay.sock"):
            yield Pier(f"unix://{tmp_path}/relay.sock", tmp_path / "config", pier.label)
    else:
        monkeypatch.setenv("DOCKER_BUILDKIT", "0" if request.param == "classic" else "1")
        yield with_plugins(docker_program(), machine.host, tmp_path / "docker", "deep=1", ["docker-buildx"])


def nest(top: Path, name: str, count: int) -> None:
    """A file ``leaf`` below so many folders of one name."""
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(count):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("leaf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder))
    os.close(folder)


@pytest.mark.parametrize(("name", "count"), [("d", 10_000), (LONG, 30)])
def test_no_path_is_too_long_to_be_refused(
    machine: RunningEngine, pier: Pier, client: Docker, project: Path, name: str, count: int
) -> None:
    nest(project, name, count)
    text = client.fails("build", dockerfile(project, "FROM scratch", "COPY . /all/"))
    assert "file name too long" in text
    assert "internal error" not in text and "RecursionError" not in text
    assert_sound(machine, pier)


def test_folders_as_deep_as_paths_go(client: Docker, pier: Pier, project: Path) -> None:
    """1,200 folders: more than Python nests calls."""
    nest(project, "d", 1_200)
    (project / ".dockerignore").write_text("nothing\n!d\n")
    path = "d/" * 1_200
    client("build", "-t", "deep", dockerfile(project, "FROM scratch", "COPY . /all/", f"COPY {path}leaf /leaf"))
    found = listing(pier, "deep")
    assert f"all/{path}leaf" in found and "leaf" in found


@pytest.mark.parametrize("line", [f"COPY . /{'q/' * 5_000}", f"COPY {'q/' * 5_000}x /x"], ids=["to", "from"])
def test_what_a_dockerfile_names(client: Docker, project: Path, line: str) -> None:
    (project / ".dockerignore").write_text("nothing\n")
    text = client.fails("build", dockerfile(project, "FROM scratch", line))
    assert "file name too long" in text and "internal error" not in text


def test_a_path_that_only_the_image_has_room_for(pier: Pier, project: Path) -> None:
    """Below the engine's own folder it would be too long; in the image it is not."""
    nest(project, LONG, 19)
    pier("build", "-t", "long", dockerfile(project, "FROM scratch", "COPY . /c/"))
    assert f"c/{f'{LONG}/' * 19}leaf" in listing(pier, "long")


@pytest.mark.parametrize(("name", "count"), [("d", 10_000), (LONG, 30), ("n" * 300, 1)])
def test_archives(machine: RunningEngine, pier: Pier, name: str, count: int) -> None:
    text = b"FROM scratch\nCOPY . /all/\n"
    context = BytesIO()
    with tarfile.open(fileobj=context, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        tar.addfile(info, BytesIO(text))
        tar.addfile(tarfile.TarInfo("/".join([name] * count)))
    failed = pier("build", "-", stdin=context.getvalue(), code=1)
    assert "too long" in failed.err and "internal error" not in failed.err
    assert_sound(machine, pier)
