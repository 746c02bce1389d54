"""A registry that sends its clients to a real S3 for blobs: bytes come from there, and credentials stay here."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from pier.errors import NotFound
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor
from pier.oci.mediatypes import OCI_LAYER
from pier.oci.reference import parse_reference
from pier.remote import fetch
from pier.remote.client import Registries
from pier.remote.settings import Credentials
from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import PierRegistry, pier_registry
from pier.testing.swift import Swift, swift
from tests.system.registry.images import Image, image, push

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
NAME = "team/app"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Swift]:
    async with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def registry(s3: Swift, tmp_path: Path) -> AsyncIterator[PierRegistry]:
    """With users: its blobs are for those alone."""
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    async with pier_registry(tmp_path, storage=s3.url(tmp_path.name), redirect=True) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def pushed(registry: PierRegistry) -> Image:
    """One layer in parts, a small one, one without bytes."""
    made = image(9 * MIB, 1000, also=[b""])
    async with aiohttp.ClientSession(f"http://{registry.host}", headers=auth("bob")) as http:
        await push(http, NAME, "1", made)
    return made


def auth(name: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(name, password(name))}


async def test_as_docker_follows(registry: PierRegistry, s3: Swift, pushed: Image) -> None:
    """The second request goes to another host: without Authorization, with the Range of the first."""
    async with aiohttp.ClientSession() as there, aiohttp.ClientSession(headers=auth("cat")) as http:
        for data in pushed.blobs:
            where = f"http://{registry.host}/v2/{NAME}/blobs/{sha256(data)}"
            async with http.head(where, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(data)))
                assert answer.headers["Docker-Content-Digest"] == sha256(data)
            async with http.get(where, allow_redirects=False) as answer:
                assert answer.status == 307 and await answer.read() == b""
                assert answer.headers["Docker-Content-Digest"] == sha256(data)
                target = answer.headers["Location"]
            assert target.startswith(s3.endpoint) and password("cat") not in target
            async with there.get(target) as answer:
                assert (answer.status, await answer.read()) == (200, data)
            async with http.get(where, headers={"If-None-Match": f'"{sha256(data)}"'}, allow_redirects=False) as answer:
                assert answer.status == 304


async def test_ranges(registry: PierRegistry, pushed: Image) -> None:
    data = pushed.blobs[2]
    assert len(data) == 9 * MIB
    async with aiohttp.ClientSession(headers=auth("cat")) as http, aiohttp.ClientSession() as there:
        for wanted, expected in (
            ("bytes=0-0", data[:1]),
            (f"bytes={8 * MIB - 1}-{8 * MIB}", data[8 * MIB - 1 : 8 * MIB + 1]),
            (f"bytes={9 * MIB - 10}-", data[-10:]),
            ("bytes=-7", data[-7:]),
        ):
            given = {"Range": wanted}
            where = f"http://{registry.host}/v2/{NAME}/blobs/{sha256(data)}"
            async with http.get(where, headers=given, allow_redirects=False) as answer:
                assert answer.status == 307
                target = answer.headers["Location"]
            async with there.get(target, headers=given) as answer:
                assert (answer.status, await answer.read()) == (206, expected)


async def test_nobody_is_sent_who_may_not_pull(registry: PierRegistry, pushed: Image) -> None:
    where = f"http://{registry.host}/v2/{NAME}/blobs/{sha256(pushed.blobs[2])}"
    async with aiohttp.ClientSession() as http:
        for who, status in (({}, 401), (auth("eve"), 403)):
            async with http.get(where, headers=who, allow_redirects=False) as answer:
                assert answer.status == status and "Location" not in answer.headers


async def test_a_link_is_for_one_blob_alone(registry: PierRegistry, pushed: Image) -> None:
    async with aiohttp.ClientSession() as http:
        where = f"http://{registry.host}/v2/{NAME}/blobs/{sha256(pushed.blobs[2])}"
        async with http.get(where, headers=auth("cat"), allow_redirects=False) as answer:
            target = answer.headers["Location"]
        bucket, _, rest = target.partition("?")
        for changed in (bucket, f"{bucket}x?{rest}", f"{bucket.rpartition('/')[0]}/?{rest}"):
            async with http.get(changed) as answer:
                assert answer.status in (400, 403, 404)
        async with http.delete(target) as answer:
            assert answer.status == 403


async def test_our_own_client(registry: PierRegistry, pushed: Image) -> None:
    """Whole, and from where a transfer has broken off; a manifest is no blob and comes from the registry."""
    registries = Registries()
    try:
        wanted = parse_reference(f"{registry.host}/{NAME}:1")
        repository = await registries.repository(wanted, Credentials("cat", password("cat")))
        assert (await fetch.manifest(repository, wanted)).data == pushed.manifest
        for data in pushed.blobs:
            layer = Descriptor(media_type=OCI_LAYER, digest=sha256(data), size=len(data))
            for offset in {0, len(data) // 2, max(len(data) - 1, 0)}:
                assert b"".join([piece async for piece in fetch.blob(repository, layer, offset)]) == data[offset:]
        absent = Descriptor(media_type=OCI_LAYER, digest=sha256(b"absent"), size=6)
        with pytest.raises(NotFound):
            await anext(fetch.blob(repository, absent))
    finally:
        await registries.close()
    assert "status=307" in await asyncio.to_thread(registry.log.read_text)


async def test_skopeo(registry: PierRegistry, tmp_path: Path) -> None:
    """There and back; its layers have to be some."""
    source = tmp_path / "source"
    source.mkdir()
    made = image(3 * MIB)
    for blob in (made.manifest, *made.blobs):
        (source / sha256(blob).partition(":")[2]).write_bytes(blob)
    (source / "manifest.json").write_bytes(made.manifest)
    (source / "version").write_text("Directory Transport Version: 1.1\n")
    where = f"docker://{registry.host}/{NAME}:2"
    for words in (
        ["--dest-tls-verify=false", "--dest-creds", f"bob:{password('bob')}", f"dir:{source}", where],
        ["--src-tls-verify=false", "--src-creds", f"cat:{password('cat')}", where, f"dir:{tmp_path}/back"],
    ):
        argv = ["skopeo", "copy", "-q", "--preserve-digests", *words]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, env=os.environ)
        assert done.returncode == 0, done.stderr
    for blob in made.blobs:
        assert (tmp_path / "back" / sha256(blob).partition(":")[2]).read_bytes() == blob
