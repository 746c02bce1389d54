"""``docker`` and ``pier`` against our own registry: what they push is what they pull, and nothing is sent twice."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier
from tests.compat.rootfs import busybox_rootfs


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(params=["docker", "pier"])
def client(request: pytest.FixtureRequest, cli: Docker, tmp_path: Path) -> Docker:
    """Both commands, aimed at the same engine."""
    return cli if request.param == "docker" else Pier(cli.host, tmp_path, cli.label)


@pytest.fixture
def pushed(client: Docker, registry: PierRegistry, name: str) -> str:
    """``host/team/name:1``, in the registry and no longer in the engine."""
    reference = f"{registry.host}/team/{name}:1"
    layers = [busybox_rootfs(), file_layer({"made-for": name.encode()}), file_layer({"second": name.encode()})]
    client("load", stdin=docker_archive(ImageParts(layers, {"Cmd": ["cat", "/made-for"]}), reference))
    printed = client("push", reference).out
    assert re.search(r"^1: digest: sha256:[0-9a-f]{64} size: \d+$", printed, re.M)
    client("rmi", reference)
    return reference


def test_run_what_was_pushed(client: Docker, pushed: str, name: str) -> None:
    assert client("run", "--rm", pushed).out == name
    assert f"Status: Image is up to date for {pushed}" in client("pull", pushed).out
    client("rmi", pushed)


def test_by_digest(client: Docker, pushed: str, name: str) -> None:
    digest = re.search(r"^Digest: (sha256:[0-9a-f]{64})$", client("pull", pushed).out, re.M)
    assert digest
    client("rmi", pushed)
    by_digest = f"{pushed.rpartition(':')[0]}@{digest[1]}"
    assert client("run", "--rm", by_digest).out == name
    client("rmi", by_digest)


def test_pushing_again_sends_nothing(client: Docker, pushed: str) -> None:
    client("pull", "-q", pushed)
    again = pushed.rpartition(":")[0] + ":2"
    client("tag", pushed, again)
    printed = client("push", again).out
    assert printed.count("Layer already exists") == 3
    assert "Pushed" not in printed
    client("rmi", pushed, again)


def test_layers_of_another_repository_are_mounted(
    client: Docker, pushed: str, registry: PierRegistry, name: str
) -> None:
    client("pull", "-q", pushed)
    other = f"{registry.host}/other/{name}:1"
    client("tag", pushed, other)
    printed = client("push", other).out
    assert printed.count("Mounted from team/") == 3
    client("rmi", pushed, other)
    assert client("pull", "-q", other).out == other
    client("rmi", other)


def test_all_tags(client: Docker, pushed: str) -> None:
    client("pull", "-q", pushed)
    repository = pushed.rpartition(":")[0]
    names = [f"{repository}:{each}" for each in ("a", "b")]
    for each in names:
        client("tag", pushed, each)
    client("push", "-q", "--all-tags", repository)
    client("rmi", pushed, *names)
    client("pull", "-q", "--all-tags", repository)
    found = client("images", "--format", "{{.Tag}}", repository).lines
    assert sorted(found) == ["1", "a", "b"]
    client("rmi", pushed, *names)


def test_unknown_names(client: Docker, registry: PierRegistry) -> None:
    assert f"manifest for {registry.host}/gone:1 not found" in client.fails("pull", f"{registry.host}/gone:1")


def test_the_manifest_says_what_was_pushed(client: Docker, pushed: str) -> None:
    shown = json.loads(client("manifest", "inspect", "--insecure", pushed).out)
    assert len(shown["layers"]) == 3
