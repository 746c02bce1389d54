"""Pulling through our own registry with other people's clients: by its name, and as a mirror of the registry itself."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pier.metadata.registry.opening import open_records
from pier.registry.access import accounts
from pier.testing.engine import running_engine
from pier.testing.registry import Distribution, distribution
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier
from tests.compat.rootfs import busybox_rootfs
from tests.compat.test_registry_podman import Podman, podman
from tests.compat.test_registry_skopeo import skopeo

__all__ = ["podman"]


@pytest.fixture
async def outage() -> AsyncIterator[AsyncExitStack]:
    """Closed, it ends the registry far away."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def there(outage: AsyncExitStack, tmp_path: Path) -> Distribution:
    return await outage.enter_async_context(distribution(tmp_path))


@pytest.fixture
async def here(tmp_path: Path, there: Distribution) -> AsyncIterator[PierRegistry]:
    upstream = {"name": "far", "url": f"http://{there.host}", "default": True, "ttl": 0}
    async with pier_registry(tmp_path, upstream=[upstream]) as running:
        yield running


@pytest.fixture(params=["docker", "pier"])
def client(request: pytest.FixtureRequest, cli: Docker, tmp_path: Path) -> Docker:
    return cli if request.param == "docker" else Pier(cli.host, tmp_path, cli.label)


@pytest.fixture
def image(cli: Docker, there: Distribution, name: str) -> str:
    """``team/name:1`` of the registry far away: and nothing of it in the engine."""
    reference = f"{there.host}/team/{name}:1"
    layers = [busybox_rootfs(), file_layer({"made-for": name.encode()})]
    cli("load", stdin=docker_archive(ImageParts(layers, {"Cmd": ["cat", "/made-for"]}), reference))
    cli("push", reference)
    cli("rmi", reference)
    return f"team/{name}:1"


async def test_pull_and_run_also_when_the_other_is_out(
    client: Docker, here: PierRegistry, outage: AsyncExitStack, image: str, name: str
) -> None:
    reference = f"{here.host}/far/{image}"
    assert client("run", "--rm", reference).out == name
    client("rmi", reference)
    await outage.aclose()
    assert client("run", "--rm", reference).out == name
    client("rmi", reference)
    assert "the upstream far does not answer" in client.fails("pull", reference.removesuffix("1") + "3")


def test_take_what_was_pulled_through_as_a_base(client: Docker, here: PierRegistry, image: str) -> None:
    """Its layers are mounted, not sent again."""
    client("pull", "-q", f"{here.host}/far/{image}")
    mine = f"{here.host}/mine/app:1"
    client("tag", f"{here.host}/far/{image}", mine)
    assert "Mounted from far/team/" in client("push", mine).out
    client("rmi", mine, f"{here.host}/far/{image}")
    assert client("pull", "-q", mine).out == mine
    client("rmi", mine)


async def test_an_engine_whose_mirror_it_is(
    here: PierRegistry, there: Distribution, outage: AsyncExitStack, image: str, name: str, tmp_path: Path
) -> None:
    """The image keeps its name; the registry itself need not be there any more."""
    reference = f"{there.host}/{image}"
    mirror = f"--registry-mirror={there.host}=http://{here.host}"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, running_engine(Path(folder), [mirror]) as engine:
        pier = Pier(engine.host, tmp_path, "mirrored=1")
        pier("pull", "-q", reference)
        pier("rmi", reference)
        await outage.aclose()
        pier("pull", "-q", reference)
        assert pier("run", "--rm", reference).out == name
    assert f"path=/v2/{image.partition(':')[0]}/manifests/1 status=200" in here.log.read_text()


@pytest.mark.parametrize("path", ["", "/far"])
async def test_an_engine_that_signs_in_to_its_mirror(
    there: Distribution, image: str, name: str, path: str, tmp_path: Path
) -> None:
    """What comes through is for ann alone; the registry itself is not to be found, so it is the mirror that answers."""
    upstream = {"name": "far", "url": f"http://{there.host}", "default": True}
    (tmp_path / "pier-registry").mkdir()
    records = await open_records(f"sqlite://{tmp_path}/pier-registry/registry.db")
    await accounts.add_user(records, "ann", "word", roles={"far": "reader"}, now=0)
    await records.stop()
    async with pier_registry(tmp_path, upstream=[upstream]) as here:
        for login, status in (("", "401"), ("ann:wrong@", "401"), ("ann:word@", "200")):
            mirror = f"--registry-mirror=far.test=http://{login}{here.host}{path}"
            with (
                tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
                running_engine(Path(folder), [mirror]) as engine,
            ):
                pier = Pier(engine.host, tmp_path, "mirrored=1")
                if status == "200":
                    assert pier("run", "--rm", f"far.test/{image}").out == name
                else:
                    assert "far.test" in pier.fails("pull", "-q", f"far.test/{image}")
        log = here.log.read_text()
    assert "manifests/1 status=200" in log
    assert "user=ann" in log


def test_skopeo(here: PierRegistry, image: str, tmp_path: Path) -> None:
    source = f"docker://{here.host}/far/{image}"
    skopeo("copy", "-q", "--src-tls-verify=false", source, f"dir:{tmp_path}/copy")
    assert '"1"' in skopeo("list-tags", "--tls-verify=false", source.removesuffix(":1"))
    assert "Digest" in skopeo("inspect", "--tls-verify=false", source)


def test_podman(podman: Podman, here: PierRegistry, image: str) -> None:
    podman("pull", "--tls-verify=false", "-q", f"{here.host}/far/{image}")
