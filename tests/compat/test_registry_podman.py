"""podman against our own registry. It only moves images here: it has a storage of its own, and runs nothing."""

import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.archives import ImageParts, docker_archive, file_layer

FLAGS = ("--tls-verify=false", "-q")


class Podman:
    """``podman("pull", name)``, with everything that it keeps under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._argv = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp"]
        self._argv += ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run([*self._argv, *words], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return (done.stdout if code == 0 else done.stderr).strip()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path) as running:
        yield running


@pytest.fixture
def podman() -> Iterator[Podman]:
    with tempfile.TemporaryDirectory(prefix="podman-", dir="/var/tmp") as folder:  # podman allows 50 characters
        podman = Podman(Path(folder))
        yield podman
        podman("rmi", "--all", "--force")


@pytest.fixture
def image(podman: Podman, registry: PierRegistry, tmp_path: Path) -> str:
    """In podman's storage, by its name in the registry."""
    name = f"{registry.host}/team/image:1"
    layers = [file_layer({"first": b"1" * 5000}), file_layer({"second": b"2"})]
    archive = tmp_path / "image.tar"
    archive.write_bytes(docker_archive(ImageParts(layers), name))
    podman("load", "-q", "-i", str(archive))
    return name


@pytest.mark.parametrize("kind", ["oci", "v2s2"])
def test_push_and_pull(kind: str, podman: Podman, image: str) -> None:
    before = podman("image", "inspect", "--format", "{{.RootFS.Layers}}", image)
    podman("push", *FLAGS, "--format", kind, image)
    podman("rmi", image)
    podman("pull", *FLAGS, image)
    assert podman("image", "inspect", "--format", "{{.RootFS.Layers}}", image) == before


def test_search_lists_tags(podman: Podman, image: str) -> None:
    podman("push", *FLAGS, image)
    repository = image.rpartition(":")[0]
    assert podman("search", "--tls-verify=false", "--list-tags", repository).splitlines()[1].split() == [
        repository,
        "1",
    ]


def test_a_manifest_list(podman: Podman, image: str) -> None:
    podman("manifest", "create", "many")
    podman("manifest", "add", "many", f"containers-storage:{image}")
    target = f"{image.rpartition(':')[0]}:many"
    podman("manifest", "push", "--all", *FLAGS, "many", f"docker://{target}")
    podman("manifest", "rm", "many")
    podman("rmi", image)
    podman("pull", *FLAGS, target)


def test_unknown_names(podman: Podman, registry: PierRegistry) -> None:
    assert "manifest unknown" in podman("pull", *FLAGS, f"{registry.host}/gone:1", code=125)


async def test_people(podman: Podman, name: str, tmp_path: Path) -> None:
    """It searches without saying who it is, and reads the catalogue where that finds nothing."""
    (tmp_path / "house" / "pier-registry").mkdir(parents=True)
    await settle(f"sqlite://{tmp_path}/house/pier-registry/registry.db")
    async with pier_registry(tmp_path / "house") as registry:
        image, archive = f"{registry.host}/team/{name}:1", tmp_path / "image.tar"
        archive.write_bytes(docker_archive(ImageParts([file_layer({"first": b"1"})]), image))
        podman("load", "-q", "-i", str(archive))
        auth = f"--authfile={tmp_path}/auth.json"
        wrong = podman("login", auth, FLAGS[0], "-u", "bob", "-p", "wrong", registry.host, code=125)
        assert "invalid username/password" in wrong
        podman("push", auth, *FLAGS, image, code=125)
        podman("login", auth, FLAGS[0], "-u", "bob", "-p", password("bob"), registry.host)
        assert podman("login", auth, "--get-login", registry.host) == "bob"
        podman("push", auth, *FLAGS, image)
        search = ("search", auth, FLAGS[0], "--format", "{{.Name}}", f"{registry.host}/{name}")
        assert podman(*search) == f"{registry.host}/team/{name}"
        podman("logout", auth, registry.host)
        assert "denied" in podman(*search, code=125)
        assert "denied" in podman("pull", auth, *FLAGS, image, code=125)
