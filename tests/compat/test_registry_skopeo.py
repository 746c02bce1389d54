"""skopeo against our own registry: copies of every format, inspection, lists, deletion."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.registry_calls import accept, push_blob, put_manifest
from tests.compat.registry_raw import raw

FORMATS = {"oci": mediatypes.OCI_MANIFEST, "v2s2": mediatypes.DOCKER_MANIFEST}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path) as running:
        yield running


@pytest.fixture
def archive(tmp_path: Path) -> str:
    layers = [file_layer({"first": b"1" * 5000}), file_layer({"second": b"2"})]
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(ImageParts(layers), "image:1"))
    return f"docker-archive:{path}"


def skopeo(*words: str, code: int = 0) -> str:
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def push(archive: str, registry: PierRegistry, name: str, *flags: str) -> None:
    skopeo("copy", "-q", "--dest-tls-verify=false", *flags, archive, f"docker://{registry.host}/{name}")


def inspect(registry: PierRegistry, name: str, *flags: str) -> dict[str, object]:
    found = json.loads(skopeo("inspect", "--tls-verify=false", *flags, f"docker://{registry.host}/{name}"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_there_and_back(kind: str, archive: str, registry: PierRegistry, tmp_path: Path) -> None:
    push(archive, registry, "team/image:1", "--format", kind)
    manifest = inspect(registry, "team/image:1", "--raw")
    assert manifest["mediaType"] == FORMATS[kind]
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{registry.host}/team/image:1", f"dir:{tmp_path}/back")
    for blob in (path for path in (tmp_path / "back").iterdir() if len(path.name) == 64):
        assert sha256(blob.read_bytes()) == f"sha256:{blob.name}"


def test_zstd_layers(archive: str, registry: PierRegistry) -> None:
    push(archive, registry, "team/image:zstd", "--format", "oci", "--dest-compress-format", "zstd")
    layers = inspect(registry, "team/image:zstd", "--raw")["layers"]
    assert isinstance(layers, list)
    assert {layer["mediaType"] for layer in layers} == {mediatypes.OCI_LAYER_ZSTD}


def test_inspect(archive: str, registry: PierRegistry) -> None:
    push(archive, registry, "team/image:1")
    shown = inspect(registry, "team/image:1")
    assert (shown["Name"], shown["RepoTags"]) == (f"{registry.host}/team/image", ["1"])


def test_list_and_delete(archive: str, registry: PierRegistry) -> None:
    for tag in ("1", "2"):
        push(archive, registry, f"team/image:{tag}")
    repository = f"docker://{registry.host}/team/image"
    assert json.loads(skopeo("list-tags", "--tls-verify=false", repository))["Tags"] == ["1", "2"]
    skopeo("delete", "--tls-verify=false", f"{repository}:1")  # by its digest, so with all its tags
    assert "manifest unknown" in skopeo("inspect", "--tls-verify=false", f"{repository}:1", code=1)


async def test_an_index_is_copied_whole(archive: str, registry: PierRegistry, tmp_path: Path) -> None:
    push(archive, registry, "team/image:amd64", "--format", "oci")
    async with raw(registry.host) as http:
        image = (await http("GET", "/v2/team/image/manifests/amd64", headers=accept())).body
        entries = [
            {
                "mediaType": mediatypes.OCI_MANIFEST,
                "digest": sha256(image),
                "size": len(image),
                "platform": {"os": "linux", "architecture": each},
            }
            for each in ("amd64", "arm64")
        ]
        index = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": entries}
        await put_manifest(http, "team/image", "many", json.dumps(index).encode(), "an index")
    ends = f"docker://{registry.host}/team/image:many", f"docker://{registry.host}/other/copy:many"
    skopeo("copy", "-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", *ends)
    assert inspect(registry, "other/copy:many", "--raw") == index


async def test_an_artifact(registry: PierRegistry, tmp_path: Path) -> None:
    """What oras would push: an empty config, a file, a type, and a subject."""
    async with raw(registry.host) as http:
        await push_blob(http, "team/image", b"{}")
        await push_blob(http, "team/image", b"some text\n")
        layer = {"mediaType": "text/plain", "digest": sha256(b"some text\n"), "size": 10}
        layer["annotations"] = {"org.opencontainers.image.title": "notes.txt"}
        artifact = {
            "schemaVersion": 2,
            "mediaType": mediatypes.OCI_MANIFEST,
            "artifactType": "application/x-notes",
            "config": {"mediaType": mediatypes.OCI_EMPTY, "digest": sha256(b"{}"), "size": 2, "data": "e30="},
            "layers": [layer],
            "subject": {"mediaType": mediatypes.OCI_MANIFEST, "digest": sha256(b"not here yet"), "size": 12},
        }
        await put_manifest(http, "team/image", "notes", json.dumps(artifact).encode(), "an artifact")
        found = await http("GET", f"/v2/team/image/referrers/{sha256(b'not here yet')}")
    assert [each["artifactType"] for each in found.json["manifests"]] == ["application/x-notes"]
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{registry.host}/team/image:notes", f"dir:{tmp_path}/back")
    assert (tmp_path / "back" / sha256(b"some text\n").removeprefix("sha256:")).read_bytes() == b"some text\n"
