"""``manifest``: both clients, one registry, and their folders of local lists, which are of one kind."""

import asyncio
import gzip
import io
import json
import re
import tarfile
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.testing.registry import PASSWORD, USER, Distribution, distribution
from pier.testing.tokens import token_server
from tests.compat.conftest import Engine
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import ANY_CODE, Pier, Said, said

OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path) as running:
        yield running


@pytest.fixture
def pier(engine: Engine, cli: Docker, tmp_path: Path) -> Pier:
    """With a folder of its own, so that each client has its own lists."""
    return Pier(engine.host, tmp_path / "pier-config", cli.label)


@pytest.fixture
def docker(engine: Engine, cli: Docker, tmp_path: Path) -> Docker:
    return Docker("docker", engine.host, tmp_path / "docker-config", cli.label)


def small_tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"), io.BytesIO(b""))
    return made.getvalue()


def pushed(cli: Docker, repository: str, *architectures: str) -> None:
    """Images ``repository:ARCHITECTURE``, in the registry and not here."""
    for architecture in architectures:
        name = f"{repository}:{architecture.replace('/', '')}"
        cli("import", "--platform", f"linux/{architecture}", "-", name, stdin=small_tar())
        cli("push", "-q", name)
        cli("rmi", name)


def uploaded_oci(host: str, name: str, tag: str) -> None:
    """An OCI image, by hand: the docker command pushes only its own kind."""

    def blob(data: bytes, media_type: str) -> dict[str, object]:
        import hashlib

        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        begun = urllib.request.Request(f"http://{host}/v2/{name}/blobs/uploads/", method="POST")
        with urllib.request.urlopen(begun) as answer:
            place = answer.headers["Location"]
        put = urllib.request.Request(f"{place}&digest={digest}", data=data, method="PUT")
        put.add_header("Content-Type", "application/octet-stream")
        urllib.request.urlopen(put).close()
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    tar = small_tar()
    config = {"architecture": "s390x", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": {}}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": blob(json.dumps(config).encode(), OCI_CONFIG),
        "layers": [blob(gzip.compress(tar), OCI_LAYER)],
        "annotations": {"a": "<b> & c"},
    }
    url = f"http://{host}/v2/{name}/manifests/{tag}"
    put = urllib.request.Request(url, data=json.dumps(document).encode(), method="PUT")
    put.add_header("Content-Type", OCI)
    urllib.request.urlopen(put).close()


def same(docker: Docker, pier: Docker, *args: str) -> Said:
    """What both say, which must be the same."""
    theirs, ours = (said(client("manifest", *args, code=ANY_CODE)) for client in (docker, pier))
    assert ours == theirs
    return ours


def test_showing(cli: Docker, docker: Docker, pier: Pier, registry: Distribution, name: str) -> None:
    repository = f"{registry.host}/{name}"
    pushed(cli, repository, "arm/v7")
    uploaded_oci(registry.host, name, "oci")
    for flags in (("--insecure",), ("--insecure", "-v")):
        assert same(docker, pier, "inspect", *flags, f"{repository}:armv7").code == 0
        assert same(docker, pier, "inspect", *flags, f"{repository}:oci").code == 0
        assert same(docker, pier, "inspect", *flags, f"{repository}:gone").code == 1
    told = json.loads(pier("manifest", "inspect", "-v", "--insecure", f"{repository}:armv7").out)
    by_digest = f"{repository}@{told['Descriptor']['digest']}"
    assert same(docker, pier, "inspect", "-v", "--insecure", by_digest).code == 0


def test_a_list(cli: Docker, docker: Docker, pier: Pier, registry: Distribution, name: str) -> None:
    repository, other, list_ = f"{registry.host}/{name}", f"{registry.host}/other/{name}", f"{registry.host}/all/{name}"
    pushed(cli, repository, "amd64", "arm64")
    pushed(cli, other, "arm/v7")
    arm = f"{repository}:arm64"
    assert same(docker, pier, "create", "--insecure", list_, f"{repository}:amd64", arm).code == 0
    assert same(docker, pier, "create", "--insecure", list_, f"{other}:armv7").code == 1
    assert same(docker, pier, "create", "--insecure", "--amend", list_, f"{other}:armv7").code == 0
    assert same(docker, pier, "inspect", list_).code == 0
    assert same(docker, pier, "inspect", "-v", list_).code == 0
    about = ("--arch", "arm64", "--os", "linux", "--variant", "v8", "--os-version", "1.2", "--os-features", "a,b")
    assert same(docker, pier, "annotate", *about, list_, arm).code == 0
    assert same(docker, pier, "annotate", "--os-features", "b", "--os-features", "c", list_, arm).code == 0
    assert same(docker, pier, "annotate", "--arch", "nonsense", list_, arm).code == 1
    assert same(docker, pier, "annotate", list_, f"{repository}:gone").code == 1
    assert same(docker, pier, "inspect", list_).code == 0
    assert same(docker, pier, "inspect", "-v", list_, arm).code == 0
    assert same(docker, pier, "push", "--insecure", list_).out.count("Pushed ref") == 3
    assert same(docker, pier, "push", "--insecure", "--purge", list_).code == 0
    assert same(docker, pier, "push", "--insecure", list_).code == 1
    assert same(docker, pier, "inspect", "--insecure", "-v", list_).code == 0
    assert same(docker, pier, "create", "--insecure", f"{list_}:of-lists", list_).code == 1
    assert cli("pull", "-q", "--platform", "linux/arm64", list_).out == f"{list_}:latest"
    assert cli("image", "inspect", "-f", "{{.Architecture}}", list_).out == "arm64"
    cli("rmi", list_)


def test_a_list_of_the_ocis(cli: Docker, docker: Docker, pier: Pier, registry: Distribution, name: str) -> None:
    repository = f"{registry.host}/{name}"
    uploaded_oci(registry.host, name, "aaa")
    pushed(cli, repository, "amd64")
    assert same(docker, pier, "create", "--insecure", f"{repository}:l", f"{repository}:amd64", f"{repository}:aaa")
    assert "oci.image.index" in same(docker, pier, "inspect", f"{repository}:l").out
    assert same(docker, pier, "push", "--insecure", f"{repository}:l").code == 0


def test_removing(cli: Docker, docker: Docker, pier: Pier, registry: Distribution, name: str) -> None:
    repository = f"{registry.host}/{name}"
    pushed(cli, repository, "amd64")
    for tag in ("a", "b"):
        same(docker, pier, "create", "--insecure", f"{repository}:{tag}", f"{repository}:amd64")
    assert same(docker, pier, "rm", f"{repository}:a", f"{repository}:gone", f"{repository}:b").code == 1
    assert same(docker, pier, "rm", f"{repository}:a", f"{repository}:gone2").err.count("No such manifest") == 2


def test_a_list_that_the_other_client_has_begun(
    cli: Docker, engine: Engine, registry: Distribution, name: str, tmp_path: Path
) -> None:
    """One folder for both."""
    repository = f"{registry.host}/{name}"
    docker, pier = Docker("docker", engine.host, tmp_path, cli.label), Pier(engine.host, tmp_path, cli.label)
    pushed(cli, repository, "amd64", "arm64")
    docker("manifest", "create", "--insecure", repository, f"{repository}:amd64")
    pier("manifest", "create", "--insecure", "-a", repository, f"{repository}:arm64")
    docker("manifest", "annotate", "--variant", "v8", repository, f"{repository}:arm64")
    pier("manifest", "annotate", "--os-version", "7", repository, f"{repository}:amd64")
    ours = same(docker, pier, "inspect", repository)
    assert '"v8"' in ours.out and '"7"' in ours.out
    pier("manifest", "push", "--insecure", "-p", repository)
    assert docker("manifest", "push", "--insecure", repository, code=1).err == f"No such manifest: {repository}:latest"


@pytest.mark.parametrize(
    "args",
    [
        ("create", "BAD", "x:1"),
        ("annotate", "BAD", "x:1"),
        ("annotate", "x:1", "BAD"),
        ("inspect", "BAD"),
        ("rm", "BAD"),
        ("push", "BAD"),
        ("rm", "never/made"),
        ("annotate", "never/made", "x"),
        ("inspect", "a", "b", "c"),
        ("inspect",),
        ("push",),
    ],
    ids=" ".join,
)
def test_errors(args: tuple[str, ...], docker: Docker, pier: Pier) -> None:
    assert same(docker, pier, *args).code == 1


async def test_other_registries(docker: Docker, pier: Pier, cli: Docker, tmp_path: Path, name: str) -> None:
    """Sources of another registry are refused, and credentials go to the registry that asks for them."""
    async with (
        token_server(tmp_path, {USER: PASSWORD}) as tokens,
        distribution(tmp_path, tokens=tokens) as guarded,
        distribution(tmp_path) as open_,
    ):
        await asyncio.to_thread(use_two_registries, docker, pier, cli, guarded.host, open_.host, name)


def use_two_registries(docker: Docker, pier: Pier, cli: Docker, guarded: str, open_: str, name: str) -> None:
    """In a thread: the token server needs the loop."""
    image = f"{guarded}/{name}:amd64"
    assert "denied" in pier.fails("manifest", "inspect", "--insecure", image)
    for client in (docker, pier, cli):
        client("login", "-u", USER, "--password-stdin", guarded, stdin=PASSWORD.encode())
    pushed(cli, f"{guarded}/{name}", "amd64")
    assert same(docker, pier, "inspect", "--insecure", image).code == 0
    assert same(docker, pier, "create", "--insecure", f"{open_}/{name}", image).code == 0
    assert "different registry" in same(docker, pier, "push", "--insecure", f"{open_}/{name}").err
    assert same(docker, pier, "create", "--insecure", f"{guarded}/l/{name}", image).code == 0
    assert same(docker, pier, "push", "--insecure", f"{guarded}/l/{name}").code == 0
    cli("logout", guarded)


def test_a_registry_that_is_not_there(pier: Pier) -> None:
    message = pier.fails("manifest", "inspect", "--insecure", "127.0.0.1:9/x")
    assert re.match(r"failed to configure transport: .*connection refused$", message)
