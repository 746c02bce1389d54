"""buildx against our own registry: cache that is pushed and taken up again, indexes, and lists of manifests."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.conftest import Engine, docker_program
from tests.compat.docker_cli import Docker
from tests.compat.plugins import with_plugins
from tests.compat.registry_calls import accept, push_blob, put_manifest
from tests.compat.registry_raw import raw

DOCKERFILE = """\
FROM scratch AS one
COPY f /f
FROM scratch
COPY --from=one /f /g
ARG TARGETARCH
COPY f /$TARGETARCH
"""


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path) as running:
        yield running


@pytest.fixture
def buildx(engine: Engine, cli: Docker, tmp_path: Path) -> Docker:
    (tmp_path / "config").mkdir()
    return with_plugins(docker_program(), engine.host, tmp_path / "config", cli.label, ["docker-buildx"])


@pytest.fixture
def context(tmp_path: Path, name: str) -> str:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "context" / "f").write_text(name)
    return str(tmp_path / "context")


def build(buildx: Docker, *args: str) -> str:
    return buildx("buildx", "build", "--progress", "plain", *args).err


@pytest.mark.parametrize("form", ["", ",image-manifest=true"])
def test_a_cache_in_the_registry(buildx: Docker, registry: PierRegistry, context: str, name: str, form: str) -> None:
    image, cache = f"{registry.host}/team/{name}:1", f"type=registry,ref={registry.host}/team/{name}:cache"
    build(buildx, "--push", "-t", image, "--cache-to", f"{cache},mode=max{form}", context)
    buildx("rmi", "-f", image, code={0, 1})
    buildx("builder", "prune", "-af")
    shown = build(buildx, "--cache-from", cache, context)
    assert f"importing cache manifest from {registry.host}/team/{name}:cache" in shown
    assert shown.count("CACHED") == 3


def test_indexes(buildx: Docker, registry: PierRegistry, context: str, name: str) -> None:
    image = f"{registry.host}/team/{name}"
    build(buildx, "--push", "-t", f"{image}:both", "--platform", "linux/amd64,linux/arm64", context)
    shown = buildx("buildx", "imagetools", "inspect", f"{image}:both").out
    assert "Platform:    linux/amd64" in shown or "Platform:  linux/amd64" in shown
    buildx("buildx", "imagetools", "create", "-t", f"{image}:same", f"{image}:both")
    inspect = ("buildx", "imagetools", "inspect", "--raw")
    assert buildx(*inspect, f"{image}:same").out == buildx(*inspect, f"{image}:both").out


def test_lists_of_manifests(buildx: Docker, registry: PierRegistry, context: str, name: str) -> None:
    image = f"{registry.host}/team/{name}"
    parts = [f"{image}:{architecture}" for architecture in ("amd64", "arm64")]
    for part in parts:
        build(
            buildx,
            "--push",
            "--provenance=false",
            "-t",
            part,
            "--platform",
            f"linux/{part.rpartition(':')[2]}",
            context,
        )
    buildx("manifest", "create", "--insecure", f"{image}:both", *parts)
    digest = buildx("manifest", "push", "--insecure", f"{image}:both").out
    listed = json.loads(buildx("manifest", "inspect", "--insecure", f"{image}@{digest}").out)["manifests"]
    assert [each["platform"]["architecture"] for each in listed] == ["amd64", "arm64"]


async def test_an_index_of_layers(registry: PierRegistry) -> None:
    """The form in which BuildKit itself leaves its cache: no manifest, but an index that names layers and a config."""
    layer, config = b"a layer", b'{"layers":[],"records":[]}'
    named = ((mediatypes.OCI_LAYER_GZIP, layer), ("application/vnd.buildkit.cacheconfig.v0", config))
    entries = [{"mediaType": kind, "digest": sha256(data), "size": len(data)} for kind, data in named]
    index = json.dumps({"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": entries}).encode()
    async with raw(registry.host) as http:
        await push_blob(http, "team/app", layer)
        kind = {"Content-Type": mediatypes.OCI_INDEX}
        refused = await http("PUT", "/v2/team/app/manifests/cache", headers=kind, body=index)
        assert (refused.status, refused.codes) == (400, ["MANIFEST_BLOB_UNKNOWN"])
        await push_blob(http, "team/app", config)
        await put_manifest(http, "team/app", "cache", index, "an index of layers")
        assert (await http("GET", "/v2/team/app/manifests/cache", headers=accept())).body == index
        assert (await http("GET", f"/v2/team/app/blobs/{sha256(layer)}")).body == layer
