"""Docker Hub as its users type it, played by a registry of our own that has its names and a certificate for them."""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from pier.metadata.registry.opening import open_records
from pier.registry.access import accounts
from pier.registry.model import Project
from pier.registry.records import Records
from pier.testing.engine import RunningEngine, running_engine
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.pier_cli import PROGRAM
from tests.compat.rootfs import busybox_rootfs
from tests.compat.sites import certificate

NAMES = ("registry-1.docker.io", "index.docker.io", "docker.io")
INDEX = "https://index.docker.io/v1/"
PASSWORD = b"a-token-of-the-hub"
ANOTHER_ETC = 'mount --make-rprivate / && mount --bind "$0/hosts" /etc/hosts && SSL_CERT_FILE="$0/crt" exec "$@"'


@dataclass(frozen=True)
class Hub:
    """``registry`` plays it; ``engine`` lives where it has Docker Hub's addresses."""

    registry: PierRegistry
    engine: RunningEngine


@dataclass(frozen=True)
class User:
    """A client with a folder for its credentials."""

    client: Docker
    config: Path

    def auths(self) -> dict[str, dict[str, str]]:
        auths: dict[str, dict[str, str]] = json.loads((self.config / "config.json").read_text()).get("auths", {})
        return auths

    def login(self, name: str, password: bytes = PASSWORD) -> str:
        """What it says, well or not."""
        said = self.client("login", "--username", name, "--password-stdin", stdin=password, code={0, 1})
        return said.out + said.err


@asynccontextmanager
async def changing(registry: PierRegistry) -> AsyncIterator[Records]:
    records = await open_records(f"sqlite:///{registry.root}/registry.db")
    try:
        yield records
    finally:
        await records.stop()


async def settle(registry: PierRegistry) -> None:
    """Everybody may pull from ``library``; who is named like a project may push to it."""
    async with changing(registry) as records:
        for name in ("library", "hws522", "gone"):
            await accounts.add_user(records, name, PASSWORD.decode(), admin=False, roles={name: "writer"}, now=1)
        await accounts.put_project(records, None, Project(name="library", public=True), 1)


def stock(docker: Docker) -> None:
    """``debian``, and ``httpd``, which is made of it: nothing of them stays in the engine."""
    docker("login", "--username", "library", "--password-stdin", stdin=PASSWORD)
    base, own = busybox_rootfs(), file_layer({"usr/local/apache2": b"It works!"})
    for name, layers in (("debian", [base]), ("httpd", [base, own])):
        docker("load", stdin=docker_archive(ImageParts(layers), f"{name}:latest"))
        docker("push", name)
        docker("rmi", name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    both = await asyncio.to_thread(certificate, folder, *NAMES)
    address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{address} {' '.join(NAMES)}\n")
    inside = ("unshare", "--mount", "sh", "-c", ANOTHER_ETC, str(folder))
    async with pier_registry(folder, listen=[f"{address}:443"], tls_cert=both, tls_key=both) as registry:
        await settle(registry)
        with running_engine(folder, inside=inside) as engine:
            (folder / "config").mkdir()
            await asyncio.to_thread(stock, Docker(docker_program(), engine.host, folder / "config", "pier.test=hub"))
            yield Hub(registry, engine)


@pytest.fixture(params=["docker", "pier"])
def user(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Iterator[User]:
    """No image is in the engine, before and after."""
    programs = {"docker": docker_program(), "pier": str(PROGRAM)}
    client = Docker(programs[request.param], hub.engine.host, tmp_path, "pier.test=hub")
    yield User(client, tmp_path)
    if names := client("images", "--quiet").lines:
        client("rmi", "--force", *set(names))


def test_pull_by_each_of_its_names(user: User) -> None:
    said = user.client("pull", "debian").lines
    assert said[:2] == ["Using default tag: latest", "latest: Pulling from library/debian"]
    assert said[-2:] == ["Status: Downloaded newer image for debian:latest", "docker.io/library/debian:latest"]
    digest = said[-3].removeprefix("Digest: ")
    for name in ("debian:latest", "library/debian:latest", "docker.io/library/debian:latest"):
        assert user.client("pull", name).lines[-2].startswith("Status: Image is up to date for ")
    assert user.client("pull", "index.docker.io/library/debian:latest").lines[-1] == "docker.io/library/debian:latest"
    by_digest = user.client("pull", f"debian@{digest}").lines
    assert by_digest[0] == f"docker.io/library/debian@{digest}: Pulling from library/debian"
    assert user.client("images", "--digests", "--format", "{{.Repository}} {{.Digest}}").lines == [f"debian {digest}"]
    assert user.client.fails("pull", "debian:sha256:2857") == "invalid reference format"
    told = user.client.fails("pull", "--platform", "linux/arm64", "debian")
    wanted = "was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64"
    assert told == f"image with reference docker.io/library/debian:latest {wanted}"
    assert "pull access denied for hws522/none, repository does not exist or may require 'docker login'" in (
        user.client.fails("pull", "hws522/none")
    )


def test_search(user: User) -> None:
    found = user.client("search", "--format", "{{.Name}}", "httpd").lines
    assert found == ["library/httpd"]
    assert len(user.client("search", "--limit", "1", "--format", "{{.Name}}", "library").lines) == 1


def test_share_an_image(user: User, name: str) -> None:
    """Tag, sign in, push, pull: of what lies at Docker Hub already, nothing is sent again."""
    mine = f"hws522/{name}:3.0"
    user.client("pull", "httpd")
    user.client("image", "tag", "httpd:latest", mine)
    refused = user.client.fails("push", mine)
    assert "denied: requested access to the resource is denied" in refused
    assert "incorrect username or password" in user.login("hws522", b"wrong")
    assert "Login Succeeded" in user.login("hws522")
    assert list(user.auths()) == [INDEX] and PASSWORD.decode() not in (user.config / "config.json").read_text()
    pushed = user.client("push", mine).lines
    assert pushed[0] == f"The push refers to repository [docker.io/hws522/{name}]"
    assert re.findall("Mounted from [a-z/]+", "\n".join(pushed)) == ["Mounted from library/httpd"] * 2
    again = user.client("pull", mine).lines
    assert again[0] == f"3.0: Pulling from hws522/{name}"
    assert again[1].removeprefix("Digest: ") in pushed[-1]
    assert again[2:] == [f"Status: Image is up to date for {mine}", f"docker.io/{mine}"]
    assert "denied" in user.client.fails("push", "library/httpd")
    user.client("logout")
    assert user.auths() == {}
    user.client("rmi", mine)
    assert "pull access denied" in user.client.fails("pull", mine)


async def refuse(registry: PierRegistry, disabled: bool) -> None:
    async with changing(registry) as records:
        await accounts.change_user(records, "gone", disabled=disabled)


async def test_who_is_let_in_no_more(hub: Hub, user: User) -> None:
    """An access token that is set to inactive, and to active again."""
    assert "Login Succeeded" in await asyncio.to_thread(user.login, "gone")
    await refuse(hub.registry, disabled=True)
    await asyncio.to_thread(eventually, lambda: "incorrect username or password" in user.login("gone"))
    await refuse(hub.registry, disabled=False)
    await asyncio.to_thread(eventually, lambda: "Login Succeeded" in user.login("gone"))
