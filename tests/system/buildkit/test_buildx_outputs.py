"""What Pier gives to buildx, and Docker does not without containerd: archives of images, caches that travel."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.testing.engine import running_engine
from tests.compat.docker_cli import Docker
from tests.compat.plugins import with_plugins
from tests.compat.rootfs import busybox_rootfs

BASE = "box"


@pytest.fixture(scope="module")
def buildx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    program = shutil.which("docker")
    assert program, "the docker command is not installed: run scripts/setup --test"
    with running_engine(tmp_path_factory.mktemp("engine")) as engine:
        config = tmp_path_factory.mktemp("config")
        cli = with_plugins(program, engine.host, config, "pier.test=outputs", ["docker-buildx"])
        cli("import", "-c", 'CMD ["sh"]', "-", BASE, stdin=busybox_rootfs())
        yield cli


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo {tmp_path.name} | tee /made\nCMD cat /made\n")
    return folder


def build(buildx: Docker, *args: str) -> str:
    return buildx("buildx", "build", "--progress", "plain", *args).err


def test_an_archive_for_load(buildx: Docker, context: Path, tmp_path: Path) -> None:
    build(buildx, "-t", "packed", "-o", f"type=docker,dest={tmp_path / 'i.tar'}", str(context))
    buildx("image", "inspect", "packed", code=1)
    buildx("load", "-i", str(tmp_path / "i.tar"))
    assert buildx("run", "--rm", "packed").out == tmp_path.name


def test_an_oci_archive(buildx: Docker, context: Path, tmp_path: Path) -> None:
    build(buildx, "-t", "layout", "-o", f"type=oci,dest={tmp_path / 'i.tar'}", str(context))
    with tarfile.open(tmp_path / "i.tar") as tar:
        index = json.load(tar.extractfile("index.json") or pytest.fail("it is a folder"))
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]


def test_several_outputs(buildx: Docker, context: Path, tmp_path: Path) -> None:
    outputs = ["-o", f"type=local,dest={tmp_path / 'out'}", "-o", "type=image"]
    build(buildx, "-t", "both", *outputs, str(context))
    assert (tmp_path / "out/made").read_text() == f"{tmp_path.name}\n"
    assert buildx("run", "--rm", "both").out == tmp_path.name


def test_nothing_comes_out(buildx: Docker, context: Path) -> None:
    before = buildx("image", "ls", "-aq").lines
    build(buildx, "-o", "type=cacheonly", str(context))
    assert buildx("image", "ls", "-aq").lines == before
    assert "CACHED" in build(buildx, "-o", "type=cacheonly", str(context))


def test_a_cache_in_a_folder(buildx: Docker, context: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    build(buildx, "--cache-to", f"type=local,dest={cache}", "-t", "cached", str(context))
    assert json.loads((cache / "index.json").read_text())["manifests"]
    buildx("rmi", "cached")
    buildx("buildx", "prune", "-af")
    shown = build(buildx, "--cache-from", f"type=local,src={cache}", "-t", "cached", str(context))
    assert "CACHED" in shown
    assert buildx("run", "--rm", "cached").out == tmp_path.name


def test_a_layout_in_a_folder(buildx: Docker, context: Path, tmp_path: Path) -> None:
    build(buildx, "-t", "folder", "-o", f"type=oci,tar=false,dest={tmp_path / 'd'}", str(context))
    entry = json.loads((tmp_path / "d/index.json").read_text())["manifests"][0]
    assert (tmp_path / "d/blobs/sha256" / entry["digest"].partition(":")[2]).exists()


def test_definitions_of_others(buildx: Docker, context: Path) -> None:
    shown = buildx("buildx", "build", "--build-arg", "BUILDKIT_SYNTAX=somebody/frontend", str(context), code={0, 1})
    assert "internal error" not in shown.err
