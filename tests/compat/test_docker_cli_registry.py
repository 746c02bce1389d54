"""``pull``, ``push``, ``login`` against a real Distribution registry, and what skopeo says of a saved image."""

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.testing.registry import PASSWORD, USER, Distribution, distribution
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.docker_cli import Docker
from tests.compat.rootfs import busybox_rootfs


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path) as running:
        yield running


@pytest.fixture
def pushed(cli: Docker, registry: Distribution, name: str) -> str:
    """``host/name:1``, in the registry and no longer in the engine."""
    reference = f"{registry.host}/{name}:1"
    layers = [busybox_rootfs(), file_layer({"made-for": name.encode()}), file_layer({"second": name.encode()})]
    cli("load", stdin=docker_archive(ImageParts(layers, {"Cmd": ["cat", "/made-for"]}), reference))
    printed = cli("push", reference).out
    assert f"The push refers to repository [{registry.host}/{name}]" in printed
    assert re.search(r"^1: digest: sha256:[0-9a-f]{64} size: \d+$", printed, re.M)
    cli("rmi", reference)
    return reference


def test_run_pulls_what_is_missing(cli: Docker, pushed: str, name: str) -> None:
    result = cli("run", "--rm", pushed)
    assert result.out == name
    assert f"Unable to find image '{pushed}' locally" in result.err
    assert f"Status: Downloaded newer image for {pushed}" in result.err
    cli("rmi", pushed)


def test_pull(cli: Docker, pushed: str, name: str) -> None:
    printed = cli("pull", pushed).out
    assert f"1: Pulling from {name}" in printed
    digest = re.search(r"^Digest: (sha256:[0-9a-f]{64})$", printed, re.M)
    assert digest
    assert f"Status: Downloaded newer image for {pushed}" in printed
    assert f"Status: Image is up to date for {pushed}" in cli("pull", pushed).out
    assert cli("pull", "-q", pushed).out == pushed
    repository = pushed.rpartition(":")[0]
    assert json.loads(cli("image", "inspect", "-f", "{{json .RepoDigests}}", pushed).out) == [
        f"{repository}@{digest[1]}"
    ]
    by_digest = f"{repository}@{digest[1]}"
    assert cli("pull", "-q", by_digest).out == by_digest
    assert cli("run", "--rm", by_digest).out == name
    cli("rmi", pushed)
    cli("rmi", by_digest, code={0, 1})


def test_pushing_again_sends_nothing(cli: Docker, pushed: str) -> None:
    cli("pull", "-q", pushed)
    assert "Layer already exists" in cli("push", pushed).out
    again = pushed.rpartition(":")[0] + ":2"
    cli("tag", pushed, again)
    cli("push", again)
    cli("rmi", pushed, again)
    assert cli("pull", "-q", again).out == again
    cli("rmi", again)


def test_unknown_names(cli: Docker, registry: Distribution) -> None:
    assert f"manifest for {registry.host}/gone:1 not found" in cli.fails("pull", f"{registry.host}/gone:1")
    message = cli.fails("push", f"{registry.host}/gone:1")
    assert f"An image does not exist locally with the tag: {registry.host}/gone" in message


def test_nobody_listens(cli: Docker) -> None:
    assert "connection refused" in cli.fails("pull", "127.0.0.1:9/x:1")


async def test_logging_in(cli: Docker, tmp_path: Path, name: str) -> None:
    async with distribution(tmp_path, htpasswd=True) as registry:
        reference = f"{registry.host}/{name}:1"
        cli("load", stdin=docker_archive(ImageParts([busybox_rootfs(), file_layer({"x": name.encode()})]), reference))
        assert "no basic auth credentials" in cli.fails("push", reference)
        message = cli.fails("login", "-u", USER, "--password-stdin", registry.host, stdin=b"wrong")
        assert "unauthorized" in message.lower()
        printed = cli("login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD.encode())
        assert "Login Succeeded" in printed.out
        cli("push", reference)
        cli("rmi", reference)
        cli("pull", reference)
        cli("logout", registry.host)
        cli("rmi", reference)


def test_skopeo_reads_what_is_saved(cli: Docker, pushed: str, tmp_path: Path) -> None:
    cli("pull", "-q", pushed)
    cli("save", "-o", str(tmp_path / "saved.tar"), pushed)
    cli("rmi", pushed)
    done = subprocess.run(
        ["skopeo", "inspect", f"docker-archive:{tmp_path}/saved.tar"], capture_output=True, text=True, check=True
    )
    assert len(json.loads(done.stdout)["Layers"]) == 3
