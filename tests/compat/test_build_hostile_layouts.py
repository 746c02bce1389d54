"""Images from OCI layouts: ``--build-context NAME=oci-layout://DIR``, sound ones and others."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.hostile import assert_sound, dockerfile, engine_with_box, layers
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("layouts")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "layouts=1")


@pytest.fixture(scope="module", params=["pier", "buildx"])
def client(request: pytest.FixtureRequest, pier: Pier, tmp_path_factory: pytest.TempPathFactory) -> "Client":
    if request.param == "pier":
        return Client(pier, "build")
    folder = tmp_path_factory.mktemp("x")
    return Client(with_plugins(docker_program(), pier.host, folder, "layouts=1", ["docker-buildx"]), "buildx", "build")


class Client:
    def __init__(self, cli: Docker, *command: str) -> None:
        self._cli = cli
        self._command = (*command, "--progress", "plain")

    def __call__(self, *words: str, code: int = 0) -> str:
        return self._cli(*self._command, *words, code=code).err


@pytest.fixture
def project(tmp_path: Path) -> str:
    folder = tmp_path / "project"
    folder.mkdir()
    return dockerfile(folder, "FROM base", "COPY --from=base /made /copied", "RUN cat /made /copied")


@pytest.fixture(scope="module")
def packed(pier: Pier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with two images: ``latest`` and ``other``. The engine knows nothing of them any more."""
    folder = tmp_path_factory.mktemp("packed")
    layout = folder / "layout"
    entries = []
    for tag in ("other", "latest"):
        where = dockerfile(folder, "FROM box", f"RUN head -c 100000 /dev/urandom >/large; echo {tag} >/made", "ENV E=1")
        pier("build", "-t", f"x:{tag}", "-o", f"type=oci,dest={folder}/{tag}.tar", where)
        layout.mkdir(exist_ok=True)
        subprocess.run(["tar", "-xf", folder / f"{tag}.tar", "-C", layout], check=True)
        [entry] = index(layout)["manifests"]
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        entries.append(entry)
    rewrite(layout, {**index(layout), "manifests": entries})
    pier("builder", "prune", "-af")
    return layout


def index(layout: Path) -> Any:
    return json.loads((layout / "index.json").read_text())


def rewrite(layout: Path, value: Any) -> None:
    (layout / "index.json").write_text(json.dumps(value))


def forget(pier: Pier) -> None:
    """All that was built and has no name."""
    pier("image", "prune", "-f")
    pier("builder", "prune", "-af")


def test_an_image(client: Client, pier: Pier, machine: RunningEngine, packed: Path, project: str) -> None:
    """By tag, by digest, and neither: ``latest``. What was built stands by itself, and nothing else stays."""
    forget(pier)
    before = layers(machine)
    digest = index(packed)["manifests"][0]["digest"]
    for given, found in ((":other", "other"), (f"@{digest}", "other"), ("", "latest"), (":other", "other")):
        shown = client("-t", "made", "--build-context", f"base=oci-layout://{packed}{given}", project)
        assert pier("run", "--rm", "made", "cat", "/copied").out == found
        assert pier("inspect", "-f", "{{.Config.Env}}", "made").out.endswith("E=1]")
    assert "CACHED" in shown
    pier("rmi", "made")
    forget(pier)
    assert layers(machine) == before
    assert_sound(machine, pier)


def broken_layer(layout: Path) -> str:
    manifest = json.loads(blob(layout, index(layout)["manifests"][1]["digest"]).read_text())
    data = bytearray(blob(layout, manifest["layers"][-1]["digest"]).read_bytes())
    data[len(data) // 2] ^= 1
    blob(layout, manifest["layers"][-1]["digest"]).write_bytes(data)
    return "cannot decompress layer"


def missing_layer(layout: Path) -> str:
    manifest = json.loads(blob(layout, index(layout)["manifests"][1]["digest"]).read_text())
    blob(layout, manifest["layers"][-1]["digest"]).unlink()
    return str(manifest["layers"][-1]["digest"]).removeprefix("sha256:")[:12]


def another_manifest(layout: Path) -> str:
    blob(layout, index(layout)["manifests"][1]["digest"]).write_text("{}")
    return "digest"


def link_out(layout: Path) -> None:
    """A blob that is a link to a file of the host's with just that digest."""
    manifest = json.loads(blob(layout, index(layout)["manifests"][1]["digest"]).read_text())
    place = blob(layout, manifest["layers"][-1]["digest"])
    place.rename(layout.parent / "elsewhere")
    place.symlink_to(layout.parent / "elsewhere")


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")


@pytest.mark.parametrize("harm", [broken_layer, missing_layer, another_manifest])
def test_a_layout_that_lies(
    client: Client,
    pier: Pier,
    machine: RunningEngine,
    packed: Path,
    project: str,
    tmp_path: Path,
    harm: Callable[[Path], str],
) -> None:
    forget(pier)
    before = layers(machine)
    layout = tmp_path / "layout"
    subprocess.run(["cp", "-r", packed, layout], check=True)
    words = harm(layout)
    text = client("--build-context", f"base=oci-layout://{layout}:latest", project, code=1)
    assert words in text
    assert layers(machine) == before
    assert_sound(machine, pier)


def test_no_link_leads_out(pier: Pier, packed: Path, project: str, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    subprocess.run(["cp", "-r", packed, layout], check=True)
    link_out(layout)
    forget(pier)
    assert "could not read" in pier.fails("build", "--build-context", f"base=oci-layout://{layout}", project)


def test_what_is_no_layout(client: Client, packed: Path, project: str, tmp_path: Path) -> None:
    absent = hashlib.sha256(b"").hexdigest()
    for given in (f"{tmp_path}", f"{packed}:absent", f"{packed}@sha256:{absent}"):
        text = client("--build-context", f"base=oci-layout://{given}", project, code=1)
        assert any(words in text for words in ("could not", "no such manifest", "not found"))
