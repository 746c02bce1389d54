"""Clients that ask and take nothing: whatever they have asked for, they are let go, and that is no defect of ours."""

import asyncio
import io
import json
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import expect, image, push
from tests.system.registry.test_registry_tls import make_pair
from tests.system.registry.waiting import eventually

NAME = "/v2/team/a"
LAYER = 8 << 20


def sockets(server: PierRegistry) -> int:
    folder = Path(f"/proc/{server.child.pid}/fd")
    names = [os.readlink(each) for each in folder.iterdir() if each.is_symlink()]
    return sum(name.startswith("socket:") for name in names)


def connected(server: PierRegistry, tls: ssl.SSLContext | None) -> socket.socket:
    """A client with little room, that has been answered once."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = server.host.partition(":")
    client.connect((host, int(port)))
    client = tls.wrap_socket(client) if tls else client
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    return client


async def fill(base: str) -> list[bytes]:
    """Requests for more than the kernel takes: of a manifest of 4 MB, once and several times, and of a layer."""
    made = image(LAYER)
    trusting = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(base, connector=trusting) as http:
        await push(http, "team/a", "small", made)
        document = {**json.loads(made.manifest), "annotations": {"x": "y" * 4_000_000}}
        large = io.BytesIO(json.dumps(document).encode())
        headers = {"Content-Type": mediatypes.OCI_MANIFEST}
        async with http.put(f"{NAME}/manifests/large", data=large, headers=headers) as answer:
            await expect(answer, 201)
    asked = f"GET {NAME}/manifests/large HTTP/1.1\r\nHost: x\r\n".encode()
    layer = f"GET {NAME}/blobs/{sha256(made.blobs[1])} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    return [asked + b"\r\n", 3 * (asked + b"\r\n"), asked + b"Connection: close\r\n\r\n", layer]


@asynccontextmanager
async def registry(folder: Path, secure: bool) -> AsyncIterator[PierRegistry]:
    pair = await asyncio.to_thread(make_pair, folder, 1) if secure else ("", "")
    async with pier_registry(folder, idle_timeout=2, tls_cert=pair[0], tls_key=pair[1]) as server:
        yield server


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_who_reads_nothing_of_an_answer_is_let_go(tmp_path: Path, secure: bool) -> None:
    tls = ssl._create_unverified_context() if secure else None
    async with registry(tmp_path, secure) as server:
        before = await asyncio.to_thread(sockets, server)

        async def let_go() -> bool:
            return await asyncio.to_thread(sockets, server) == before

        asked = await fill(f"http{'s' if secure else ''}://{server.host}")
        await eventually(let_go)
        clients = [await asyncio.to_thread(connected, server, tls) for _ in asked]
        assert await asyncio.to_thread(sockets, server) == before + len(clients)
        for client, request in zip(clients, asked, strict=True):
            client.sendall(request)
        await eventually(let_go)
        for client in clients:
            client.close()
    assert "Traceback" not in await asyncio.to_thread(server.log.read_text)


def peak(server: PierRegistry) -> int:
    """Bytes that it has had in memory at once."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{server.child.pid}/status").read_text(), re.M)
    assert found
    return int(found[1]) << 10


async def test_who_asks_without_end_and_reads_nothing(tmp_path: Path) -> None:
    """Requests that wait for those before them are few: the framework before 3.14.5 kept 750 MB of them."""
    asked = 1000 * f"GET {NAME}/manifests/none HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with pier_registry(tmp_path, idle_timeout=2, access_log=False) as server:
        before = await asyncio.to_thread(peak, server)
        host, _, port = server.host.partition(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                for _ in range(500):
                    writer.write(asked)
                    await writer.drain()
        assert await asyncio.to_thread(peak, server) < before + (64 << 20)
        writer.transport.abort()
