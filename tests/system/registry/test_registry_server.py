"""The registry as a process: what slow, rude and vanishing clients meet, and how it starts, reloads and stops."""

import asyncio
import io
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registry import free_port
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.waiting import until

MEGABYTE = 1 << 20
LARGE = os.urandom(24 * MEGABYTE)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def settings() -> dict[str, Any]:
    """Of the registry."""
    return {}


@pytest.fixture
async def registry(tmp_path: Path, settings: dict[str, Any]) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path, **settings) as running:
        yield running


@pytest.fixture
async def http(registry: PierRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{registry.host}", auto_decompress=False) as session:
        yield session


async def push(http: aiohttp.ClientSession, name: str, data: bytes) -> str:
    async def whole() -> AsyncIterator[bytes]:
        yield data

    digest = sha256(data)
    async with http.post(f"/v2/{name}/blobs/uploads/?digest={digest}", data=whole()) as answer:
        assert answer.status == 201, await answer.text()
    return digest


async def connect(registry: PierRegistry) -> Streams:
    host, _, port = registry.host.partition(":")
    return await asyncio.open_connection(host, int(port), limit=64 * MEGABYTE)


async def head_of(reader: asyncio.StreamReader) -> str:
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode()


async def memory(registry: PierRegistry) -> int:
    """What is its own: the share of its libraries changes with the other processes of the host."""
    text = await asyncio.to_thread(Path(f"/proc/{registry.child.pid}/smaps_rollup").read_text)
    found = re.search(r"^Anonymous:\s+(\d+) kB", text, re.M)
    assert found
    return int(found[1]) << 10


async def figures(http: aiohttp.ClientSession) -> str:
    async with http.get("/metrics") as answer:
        return await answer.text()


async def test_large_blobs_and_their_parts(http: aiohttp.ClientSession) -> None:
    digest = await push(http, "team/a", LARGE)
    async with http.get(f"/v2/team/a/blobs/{digest}") as answer:
        assert await answer.read() == LARGE
    for start, stop in ((0, 1), (5 * MEGABYTE + 1, 20 * MEGABYTE), (len(LARGE) - 1, len(LARGE))):
        async with http.get(f"/v2/team/a/blobs/{digest}", headers={"Range": f"bytes={start}-{stop - 1}"}) as part:
            assert (part.status, await part.read()) == (206, LARGE[start:stop])


async def test_one_connection_for_all(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Answers follow each other in order, also where the kernel copies the first and the next were asked for early."""
    digest = await push(http, "team/a", LARGE)
    reader, writer = await connect(registry)
    line = f"/v2/team/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(f"GET {line}HEAD {line}GET {line}GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for body in (LARGE, b"", LARGE, b"{}"):
        assert " 200 OK\r\n" in await head_of(reader)
        assert await asyncio.wait_for(reader.readexactly(len(body)), 60) == body
    writer.close()


async def test_clients_that_ask_before_they_send(registry: PierRegistry) -> None:
    reader, writer = await connect(registry)
    target = f"/v2/team/a/blobs/uploads/?digest={sha256(b'waited')}"
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert (await head_of(reader)).startswith("HTTP/1.1 100 ")
    writer.write(b"waited")
    assert (await head_of(reader)).startswith("HTTP/1.1 201 ")
    writer.close()


@pytest.mark.parametrize("announced", [True, False])
async def test_a_manifest_of_100_mb_is_refused_while_it_comes(
    announced: bool, registry: PierRegistry, http: aiohttp.ClientSession
) -> None:
    before = await memory(registry)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * MEGABYTE

    headers = {"Content-Type": mediatypes.OCI_MANIFEST}
    if announced:
        headers["Content-Length"] = str(100 * MEGABYTE)
    async with http.put("/v2/team/a/manifests/1", data=pieces(), headers=headers) as answer:
        assert answer.status == 413
        assert (await answer.json())["errors"][0]["code"] == "MANIFEST_INVALID"
    assert await memory(registry) - before < 16 * MEGABYTE


async def test_what_is_compressed_stays_so(http: aiohttp.ClientSession) -> None:
    """An encoding that the client claims is not undone: it could be a bomb."""
    data = bytes(1000)
    digest = sha256(data)
    where = f"/v2/team/a/blobs/uploads/?digest={digest}"
    async with http.post(where, data=data, headers={"Content-Encoding": "gzip"}) as answer:
        assert answer.status == 201


async def test_an_upload_goes_on_where_its_client_was_lost(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    async with http.post("/v2/team/a/blobs/uploads/") as begun:
        where = begun.headers["Location"]
    _, writer = await connect(registry)
    writer.write(f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode())
    writer.write(LARGE[: 5 * MEGABYTE])
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(60):
        have = 0
        while have < 4 * MEGABYTE:  # all but what was being gathered; its end is noticed in a moment
            async with http.get(where) as answer:
                have = int(answer.headers["Range"].partition("-")[2]) + 1
    async with http.put(f"{where}?digest={sha256(LARGE)}", data=io.BytesIO(LARGE[have:])) as answer:
        assert answer.status == 201, await answer.text()


@pytest.mark.parametrize("settings", [{"idle_timeout": 2}])
async def test_a_client_that_falls_silent_is_let_go(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    async with http.post("/v2/team/a/blobs/uploads/") as begun:
        where = begun.headers["Location"]
    reader, writer = await connect(registry)
    writer.write(f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nonly this".encode())
    assert (await head_of(reader)).startswith("HTTP/1.1 408 ")
    async with http.get(where) as answer:
        assert answer.status == 204
    writer.close()


@pytest.mark.parametrize("settings", [{"idle_timeout": 2}])
async def test_a_client_that_stops_reading_is_let_go(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    digest = await push(http, "team/a", LARGE)
    reader, writer = await connect(registry)
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio has no other way
    writer.write(f"GET /v2/team/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    async with asyncio.timeout(60):
        while 'endpoint="blob",method="GET",status="499"' not in await figures(http):
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.1)
    writer.close()


async def test_descriptors_of_clients_that_left_are_closed(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    digest = await push(http, "team/a", LARGE)
    folder = Path(f"/proc/{registry.child.pid}/fd")
    before = len(os.listdir(folder))
    for _ in range(10):
        reader, writer = await connect(registry)
        writer.write(f"GET /v2/team/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await head_of(reader)
        writer.transport.abort()
    async with asyncio.timeout(60):
        while len(os.listdir(folder)) > before:
            await figures(http)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET " + b"/a" * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PATCH /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_nonsense(request_: bytes, registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    reader, writer = await connect(registry)
    writer.write(request_)
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer == b"" or re.match(rb"HTTP/1\.[01] 4\d\d ", answer)
    writer.close()
    async with http.get("/healthz") as alive:
        assert alive.status == 200


async def test_health_and_figures(http: aiohttp.ClientSession) -> None:
    await push(http, "team/a", b"one")
    for path in ("/healthz", "/readyz"):
        async with http.get(path) as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ok")
    text = await figures(http)
    assert 'pier_registry_requests_total{endpoint="uploads",method="POST",status="201"} 1\n' in text
    assert 'pier_registry_received_bytes_total{endpoint="uploads"} 3\n' in text


async def test_figures_have_a_listener_of_their_own(tmp_path: Path) -> None:
    other = f"127.0.0.1:{free_port()}"
    async with pier_registry(tmp_path, metrics_listen=other) as registry, aiohttp.ClientSession() as http:
        async with http.get(f"http://{registry.host}/metrics") as answer:
            assert answer.status == 404
        async with http.get(f"http://{other}/metrics") as answer:
            assert "pier_registry_requests_total" in await answer.text()


async def test_a_stop_waits_for_transfers(tmp_path: Path) -> None:
    async with pier_registry(tmp_path) as registry:
        async with aiohttp.ClientSession(f"http://{registry.host}") as http:
            async with http.post("/v2/team/a/blobs/uploads/") as begun:
                where = begun.headers["Location"]
            reader, writer = await connect(registry)
            writer.write(f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234".encode())
            await until(lambda: figures(http), lambda text: "pier_registry_requests_under_way 2" in text)
        registry.child.send_signal(signal.SIGTERM)
        await until(lambda: _listens(registry), lambda listens: not listens)
        writer.write(b"56789")
        assert "Range: 0-9\r\n" in await head_of(reader)
        writer.close()
        await registry.child.wait()
    async with (
        pier_registry(tmp_path) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
        http.put(f"{where}?digest={sha256(b'0123456789')}") as answer,
    ):
        assert answer.status == 201


async def _listens(registry: PierRegistry) -> bool:
    try:
        _, writer = await connect(registry)
    except ConnectionError:
        return False
    writer.close()
    return True


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "layers": []}
    document["config"] = {"mediaType": mediatypes.OCI_CONFIG, "digest": sha256(b"{}"), "size": 2}
    data = json.dumps(document).encode()
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        await push(http, "team/a", b"{}")
        async with http.put(
            "/v2/team/a/manifests/1", data=data, headers={"Content-Type": document["mediaType"]}
        ) as put:
            assert put.status == 201
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        async with http.get("/v2/team/a/manifests/1") as answer:
            assert (await answer.read(), answer.content_type) == (data, document["mediaType"])
        async with http.get(f"/v2/team/a/blobs/{sha256(b'{}')}") as answer:
            assert await answer.read() == b"{}"
