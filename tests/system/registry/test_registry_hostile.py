"""Clients that mean harm, or are slow, or many: they get their answers, and others do not notice."""

import asyncio
import gzip
import io
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import Image, assert_whole, expect, image, push, put

pytestmark = pytest.mark.asyncio(loop_scope="module")
MEGABYTE = 1 << 20
NAME = "/v2/team/a"
DIGEST = sha256(b"x")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PierRegistry]:
    """One for all of them: what one client does, the next one must not feel."""
    async with pier_registry(tmp_path_factory.mktemp("hostile"), access_log=False) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(server: PierRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"http://{server.host}", connector=connector) as session:
        yield session


def files(server: PierRegistry) -> dict[Path, int]:
    """Their sizes."""
    return {path: path.stat().st_size for path in (server.root / "blobs").rglob("*") if path.is_file()}


def sizes_of_new(server: PierRegistry, before: dict[Path, int]) -> list[int]:
    return sorted(size for path, size in files(server).items() if path not in before)


def memory(server: PierRegistry) -> int:
    """What is its own: the share of its libraries changes with the other processes of the host."""
    found = re.search(r"^Anonymous:\s+(\d+) kB", Path(f"/proc/{server.child.pid}/smaps_rollup").read_text(), re.M)
    assert found
    return int(found[1]) << 10


async def test_a_hundred_push_one_image(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Each brings all of it, since none is there when they ask; it is kept once."""
    made, before = image(10, 100_000, MEGABYTE), files(server)

    async def bring(number: int) -> None:
        for blob in made.blobs:
            async with http.post(f"{NAME}/blobs/uploads/") as begun:
                await expect(begun, 202)
            where = f"{begun.headers['Location']}?digest={sha256(blob)}"
            async with http.put(where, data=io.BytesIO(blob)) as answer:
                await expect(answer, 201)
        await put(http, "team/a", ("latest", f"t{number}", made.digest)[number % 3], made)

    await asyncio.gather(*(bring(number) for number in range(100)))
    await assert_whole(http, "team/a", "latest", made)
    async with http.get(f"{NAME}/tags/list") as answer:
        assert len((await answer.json())["tags"]) == 34
    assert sizes_of_new(server, before) == sorted(map(len, made.blobs))


async def test_slow_clients_hinder_nobody(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """300 of them, a byte now and then: half of them bring, half of them take."""
    made = image(8 * MEGABYTE)
    await push(http, "team/a", "1", made)
    before = memory(server)
    host, _, port = server.host.partition(":")
    slow: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for number in range(300):
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        if number % 2:
            writer.write(f"GET {NAME}/blobs/{sha256(made.blobs[1])} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        else:
            target = f"{NAME}/blobs/uploads/?digest={DIGEST}"
            writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
        slow.append((reader, writer))
    done = asyncio.Event()

    async def trickle() -> None:
        while not done.is_set():
            for number, (reader, writer) in enumerate(slow):
                if number % 2:
                    await reader.read(1)
                else:
                    writer.write(b"x")
            await asyncio.wait([asyncio.create_task(done.wait())], timeout=1)

    trickling = asyncio.create_task(trickle())
    for number in range(20):
        other = image(300_000)
        await push(http, "team/b", f"t{number}", other)
        await assert_whole(http, "team/b", f"t{number}", other)
    assert memory(server) - before < 60 * MEGABYTE
    done.set()
    await trickling
    for _, writer in slow:
        writer.transport.abort()
    await assert_whole(http, "team/a", "1", made)


@pytest.mark.parametrize(
    "method, path, codes",
    [
        ("GET", "/v2/Team/a/manifests/1", "NAME_INVALID"),
        ("GET", "/v2/team//a/manifests/1", "NAME_INVALID"),
        ("GET", "/v2/../../etc/passwd/manifests/1", "NAME_INVALID"),
        ("GET", "/v2/team/%2e%2e/manifests/1", "NAME_INVALID"),
        ("GET", "/v2/team/a%00/manifests/1", "NAME_INVALID"),
        ("GET", "/v2/team/a%0a/manifests/1", "NAME_INVALID"),
        ("GET", "/v2/" + "a/" * 200 + "manifests/1", "NAME_INVALID"),
        ("GET", "/v2/t%C3%A9am/manifests/1", "NAME_INVALID"),
        ("GET", f"{NAME}/manifests/..%2f..%2fregistry.db", "MANIFEST_UNKNOWN NAME_INVALID"),
        ("GET", f"{NAME}/manifests/" + "t" * 5000, "MANIFEST_UNKNOWN"),
        ("GET", f"{NAME}/manifests/sha256:abc", "MANIFEST_UNKNOWN DIGEST_INVALID"),
        ("GET", f"{NAME}/manifests/%27%20OR%201=1%20--", "MANIFEST_UNKNOWN"),
        ("PUT", f"{NAME}/manifests/-tag", "TAG_INVALID"),
        ("PUT", f"{NAME}/manifests/" + "t" * 129, "TAG_INVALID"),
        ("PUT", f"{NAME}/manifests/sha256:xyz", "DIGEST_INVALID"),
        ("GET", f"{NAME}/blobs/sha256:" + "A" * 64, "DIGEST_INVALID"),
        ("GET", f"{NAME}/blobs/sha256:" + "0" * 63, "DIGEST_INVALID"),
        ("GET", f"{NAME}/blobs/md5:" + "0" * 32, "DIGEST_INVALID"),
        ("GET", f"{NAME}/blobs/sha256:..%2f..%2f", "DIGEST_INVALID NAME_INVALID"),
        ("GET", f"{NAME}/blobs/sha512:" + "0" * 128, "DIGEST_INVALID BLOB_UNKNOWN"),
        ("GET", f"{NAME}/blobs/{DIGEST}%00", "DIGEST_INVALID"),
        ("DELETE", f"{NAME}/blobs/{DIGEST}", "BLOB_UNKNOWN"),
        ("DELETE", f"{NAME}/manifests/none", "MANIFEST_UNKNOWN"),
        ("PATCH", f"{NAME}/blobs/uploads/..%2f..%2fx", "BLOB_UPLOAD_UNKNOWN NAME_INVALID"),
        ("PATCH", f"{NAME}/blobs/uploads/" + "0" * 32, "BLOB_UPLOAD_UNKNOWN"),
        ("POST", f"{NAME}/blobs/uploads/?digest=sha256:no", "DIGEST_INVALID"),
        ("GET", f"{NAME}/tags/list?n=-1", "PAGINATION_NUMBER_INVALID"),
        ("GET", "/v2/none/tags/list?n=99999999999999999999999", "PAGINATION_NUMBER_INVALID NAME_UNKNOWN"),
        ("GET", "/v2/_catalog?n=x", "PAGINATION_NUMBER_INVALID"),
        ("GET", f"{NAME}/referrers/latest", "DIGEST_INVALID"),
    ],
)
async def test_names_digests_and_numbers(method: str, path: str, codes: str, http: aiohttp.ClientSession) -> None:
    from yarl import URL

    base = str(http._base_url).rstrip("/")
    async with http.request(method, URL(base + path, encoded=True)) as answer:
        text = await answer.text()
        assert 400 <= answer.status < 500, text
        if answer.headers["Content-Type"].startswith("application/json") and '"UNKNOWN"' not in text:
            assert json.loads(text)["errors"][0]["code"] in codes.split()


async def test_mounts_of_what_is_none(http: aiohttp.ClientSession) -> None:
    for query in (f"mount={DIGEST}&from=../x", "mount=../../x&from=team/b", f"mount={DIGEST}&from=team/none", "mount="):
        async with http.post(f"{NAME}/blobs/uploads/?{query}") as answer:
            assert answer.status == 202


async def test_ranges_and_the_order_of_chunks(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """What is out of order changes nothing, and the range that is there is told."""
    data, before = os.urandom(1000), files(server)
    async with http.post(f"{NAME}/blobs/uploads/") as begun:
        where = begun.headers["Location"]

    async def chunk(span: str, piece: bytes, method: str = "PATCH", query: str = "") -> tuple[int, str]:
        headers = {"Content-Range": span, "Content-Type": "application/octet-stream"}
        async with http.request(method, where + query, data=piece, headers=headers) as answer:
            return answer.status, answer.headers.get("Range", "")

    assert await chunk("100-199", data[100:200]) == (416, "0-0")
    assert await chunk("0-99", data[:100]) == (202, "0-99")
    for span, piece in (("0-99", data[:100]), ("50-149", data[50:150]), ("200-299", data[200:300])):
        assert await chunk(span, piece) == (416, "0-99")
    for span in ("100-", "-5", "199-100", "a-b", "100-99999999999999999999999", "100-199,300-399"):
        status, _ = await chunk(span, data[100:200])
        assert status in (400, 416), span
    status, _ = await chunk("100-150", data[100:200])
    assert status == 400
    async with http.get(where) as answer:
        assert (answer.status, answer.headers["Range"]) == (204, "0-99")
    assert await chunk("100-899", data[100:900]) == (202, "0-899")
    assert (await chunk("800-999", data[800:], "PUT", f"?digest={sha256(data)}"))[0] == 416
    assert (await chunk("900-999", data[900:], "PUT", f"?digest={sha256(data)}"))[0] == 201
    assert (await chunk("1000-1000", b"x"))[0] == 404
    blob = f"{NAME}/blobs/{sha256(data)}"
    for span, want in (
        ("bytes=0-0", (206, data[:1])),
        ("bytes=-1", (206, data[-1:])),
        ("bytes=990-5000", (206, data[990:])),
        ("bytes=1000-", (416, None)),
        ("bytes=-0", (416, None)),
        ("bytes=5-1", (200, data)),
        ("bytes=0-0,5-6", (200, data)),
        ("lines=0-1", (200, data)),
        ("bytes=0-" + "9" * 400, (200, data)),
    ):
        async with http.get(blob, headers={"Range": span}) as answer:
            body = await answer.read()
            assert answer.status == want[0] and want[1] in (None, body), span
    assert sizes_of_new(server, before) == [1000]


def manifest(**fields: object) -> bytes:
    config = {"mediaType": "a/b", "digest": DIGEST, "size": 1}
    return json.dumps({"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": config, **fields}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"schemaVersion":2,"annotations":' * 100_000,
        b'{"schemaVersion":2,"x":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b"",
        b"null",
        b"\xff\xfe\x00",
        manifest(layers=[{"mediaType": "a/b", "digest": DIGEST, "size": -1}]),
        manifest(layers=[{"mediaType": "a/b", "digest": DIGEST, "size": 1 << 70}]),
        manifest(layers=[{"mediaType": "a/b", "digest": "sha256:../../x", "size": 1}]),
        manifest(layers=[{"mediaType": "a/b", "digest": DIGEST, "size": 1}] * 10_001),
        manifest(manifests=[]),
        manifest(annotations={"a": 1}),
        manifest(schemaVersion=1),
    ],
)
async def test_manifests_that_are_none(data: bytes, server: PierRegistry, http: aiohttp.ClientSession) -> None:
    before = memory(server)
    headers = {"Content-Type": mediatypes.OCI_MANIFEST}
    async with http.put(f"{NAME}/manifests/1", data=io.BytesIO(data), headers=headers) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (400, "MANIFEST_INVALID")
    async with http.get("/healthz") as alive:
        assert alive.status == 200
    assert memory(server) - before < 32 * MEGABYTE


async def test_bombs_are_only_bytes(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """A gigabyte of zeros, twice compressed, as a layer, as a config and as the body of a request."""
    squeezed = io.BytesIO()
    with gzip.GzipFile(fileobj=squeezed, mode="wb", compresslevel=1) as file:
        for _ in range(256):
            file.write(bytes(4 * MEGABYTE))
    bomb = gzip.compress(squeezed.getvalue())
    made = image(10, also=[bomb])
    made = Image((bomb, *made.blobs[1:]), made.manifest.replace(sha256(made.blobs[0]).encode(), sha256(bomb).encode()))
    before = memory(server)
    await push(http, "team/a", "bomb", made)
    await assert_whole(http, "team/a", "bomb", made)
    headers = {"Content-Type": mediatypes.OCI_MANIFEST, "Content-Encoding": "gzip"}
    async with http.put(f"{NAME}/manifests/1", data=io.BytesIO(bomb), headers=headers) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (400, "MANIFEST_INVALID")
    assert memory(server) - before < 32 * MEGABYTE


async def test_heads_without_measure(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """50 of 4 MB, of clients that nobody knows: they are let go before they have said it all."""
    head = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 32_000) for number in range(120))
    host, _, port = server.host.partition(":")
    before = memory(server)
    clients = [await asyncio.open_connection(host, int(port)) for _ in range(50)]
    for _, writer in clients:
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + head)
    async with asyncio.timeout(60):
        for reader, _ in clients:
            with suppress(ConnectionError):
                assert await reader.read() == b""
    assert memory(server) - before < 60 * MEGABYTE
    for _, writer in clients:
        writer.transport.abort()
    headers = {"Authorization": "Bearer " + "x" * 30_000, "X-Other": "y" * 30_000}
    async with http.get("/v2/", headers=headers) as answer:
        assert answer.status == 200


async def test_bodies_are_no_heads(server: PierRegistry) -> None:
    """Several requests at once, with long bodies behind each other."""
    data = os.urandom(300_000)
    target = f"{NAME}/blobs/uploads/?digest={sha256(data)}"
    request = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
    host, _, port = server.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request * 4 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(60):
        said = await reader.read()
    assert (said.count(b"HTTP/1.1 201"), said.count(b"HTTP/1.1 200")) == (4, 1)
    writer.close()


async def test_many_manifests_of_100_mb_at_once(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    before = memory(server)

    async def send() -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * MEGABYTE

        try:
            async with http.put(
                f"{NAME}/manifests/1", data=pieces(), headers={"Content-Type": mediatypes.OCI_MANIFEST}
            ) as answer:
                assert answer.status == 413
        except aiohttp.ClientOSError:
            pass  # it was told while it was still sending

    await asyncio.gather(*(send() for _ in range(10)))
    assert memory(server) - before < 80 * MEGABYTE
