"""Images that a build begins with: from here, or from a registry."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pier.build.build import build
from pier.build.failures import BuildFailed
from pier.build.progress import VertexState
from pier.build.request import Output
from pier.images.image import Image
from pier.images.lookup import find
from pier.images.register import register
from pier.images.tag import tag_id
from pier.oci.image import ExecutionConfig, ImageConfig, RootFS, encode_config
from pier.oci.reference import parse_reference
from pier.remote.settings import Credentials
from pier.testing.exports import Machine
from pier.testing.images import layer_tar
from pier.testing.registry import PASSWORD, USER, Distribution, distribution


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path, htpasswd=True) as running:
        yield running


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "machine") as made:
        made.client.folders["context"] = tmp_path / "context"
        made.client.given = Credentials(USER, PASSWORD)
        (tmp_path / "context").mkdir()
        yield made


async def image(machine: Machine, name: str, label: str, architecture: str = "amd64") -> Image:
    diff_ids = await machine.layer((), layer_tar(file=label.encode()))
    execution = ExecutionConfig(labels={"is": label})
    config = ImageConfig(architecture, "linux", rootfs=RootFS(diff_ids=list(diff_ids)), config=execution)
    registered = await register(machine.images, encode_config(config))
    tag_id(machine.images, registered.id, parse_reference(name).with_default_tag())
    return registered


async def built_from(machine: Machine, name: str, **request: Any) -> str:
    """What image a build FROM ``name`` began with: its label."""
    (machine.client.folders["context"] / "Dockerfile").write_text(f"FROM {name}\nENV A=1")
    made = machine.build(tags=("made",), **request)
    await build(made.deps, made.request, machine.client, machine.told)
    return (find(machine.images, "made").config.config.labels or {})["is"]


async def push(machine: Machine, name: str, label: str, *architectures: str) -> None:
    """Have the registry hold ``name``, for several platforms where several are given; nothing stays here."""
    for architecture in architectures or ("amd64",):
        await image(machine, f"temporary-{architecture}", label, architecture)
    text = "ARG TARGETARCH\nFROM temporary-${TARGETARCH}\nENV PUSHED=1"
    (machine.client.folders["context"] / "Dockerfile").write_text(text)
    output = Output("image", {"name": name, "push": "true", "store": "false"})
    platforms = tuple(f"linux/{each}" for each in architectures)
    made = machine.build(outputs=(output,), platforms=platforms)
    await build(made.deps, made.request, machine.client, machine.told)


async def test_what_is_not_here_is_pulled(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/some:1"
    await push(machine, name, "pushed")
    assert await built_from(machine, name) == "pushed"
    assert find(machine.images, name)
    [shown] = {each.name for each in machine.told if isinstance(each, VertexState) and "metadata for 127" in each.name}
    assert shown == f"[internal] load metadata for {name}"


async def test_what_is_here_is_not_asked_for(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/some:1"
    await push(machine, name, "pushed")
    await image(machine, name, "local")
    assert await built_from(machine, name) == "local"


async def test_unless_the_client_wants_the_newest(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/some:1"
    await push(machine, name, "pushed")
    await image(machine, name, "local")
    assert await built_from(machine, name, pull=True) == "pushed"


async def test_one_for_another_platform_makes_way(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/some:1"
    await push(machine, name, "several", "amd64", "arm64")
    await image(machine, name, "local")
    assert await built_from(machine, name, platforms=("linux/arm64",)) == "several"


async def test_one_for_another_platform_that_is_all_there_is(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/alone:1"
    await image(machine, name, "far", "arm64")
    assert await built_from(machine, name) == "far"
    with pytest.raises(BuildFailed) as caught:
        await built_from(machine, name, platforms=("linux/s390x",))
    assert caught.value.reason.endswith(
        f"image with reference {name} was found but does not match the specified platform: "
        "wanted linux/s390x, actual: linux/arm64"
    )


async def test_several_platforms_of_one_name(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/some:1"
    await push(machine, name, "several", "amd64", "arm64")
    (machine.client.folders["context"] / "Dockerfile").write_text(f"FROM {name}\nENV A=1")
    made = machine.build(tags=("made",), platforms=("linux/amd64", "linux/arm64"))
    built = await build(made.deps, made.request, machine.client, machine.told)
    assert [find(machine.images, each).config.architecture for each in built.images] == ["amd64", "arm64"]


async def test_what_nobody_has(machine: Machine, registry: Distribution) -> None:
    name = f"{registry.host}/nothing:1"
    with pytest.raises(BuildFailed) as caught:
        await built_from(machine, name)
    error = caught.value
    assert error.reason.startswith(f"{name}: failed to resolve source metadata for {name}: ")
    assert error.location is not None and error.location.first == 1
    failed = [each for each in machine.told if isinstance(each, VertexState) and each.error]
    assert [each.name for each in failed] == [f"[internal] load metadata for {name}"]


async def test_a_stage_that_was_meant(machine: Machine, registry: Distribution) -> None:
    await image(machine, "base", "base")
    text = "FROM base AS builder\nFROM base\nCOPY --from=bulider /x /x"
    (machine.client.folders["context"] / "Dockerfile").write_text(text)
    made = machine.build()
    with pytest.raises(BuildFailed, match=r"\(did you mean builder\?\)$"):
        await build(made.deps, made.request, machine.client, machine.told)


async def test_without_credentials(machine: Machine, registry: Distribution) -> None:
    machine.client.given = None
    with pytest.raises(BuildFailed, match=r"no basic auth credentials|unauthorized"):
        await built_from(machine, f"{registry.host}/some:1")
