"""Clients that ask and take nothing: whatever they have asked for, they are let go."""

import asyncio
import io
import json
import os
import socket
from pathlib import Path

import aiohttp

from pier.oci import mediatypes
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import expect, image, push
from tests.system.registry.waiting import eventually

NAME = "/v2/team/a"
LARGE = f"GET {NAME}/manifests/large HTTP/1.1\r\nHost: x\r\n".encode()
ASKED = (LARGE + b"\r\n", 3 * (LARGE + b"\r\n"), LARGE + b"Connection: close\r\n\r\n")


def sockets(server: PierRegistry) -> int:
    folder = Path(f"/proc/{server.child.pid}/fd")
    names = [os.readlink(each) for each in folder.iterdir() if each.is_symlink()]
    return sum(name.startswith("socket:") for name in names)


def connected(server: PierRegistry) -> socket.socket:
    """A client with little room, that has been answered once."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = server.host.partition(":")
    client.connect((host, int(port)))
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    return client


async def test_who_reads_nothing_of_an_answer_is_let_go(tmp_path: Path) -> None:
    """4 MB are more than the kernel takes; what it has taken of less goes with the connection, too."""
    async with pier_registry(tmp_path, idle_timeout=2) as server:
        made = image(10)
        async with aiohttp.ClientSession(f"http://{server.host}") as http:
            await push(http, "team/a", "small", made)
            document = {**json.loads(made.manifest), "annotations": {"x": "y" * 4_000_000}}
            large = io.BytesIO(json.dumps(document).encode())
            headers = {"Content-Type": mediatypes.OCI_MANIFEST}
            async with http.put(f"{NAME}/manifests/large", data=large, headers=headers) as answer:
                await expect(answer, 201)
        before = await asyncio.to_thread(sockets, server)
        clients = [await asyncio.to_thread(connected, server) for _ in ASKED]
        assert await asyncio.to_thread(sockets, server) == before + len(clients)
        for client, asked in zip(clients, ASKED, strict=True):
            client.sendall(asked)

        async def let_go() -> bool:
            return await asyncio.to_thread(sockets, server) == before

        await eventually(let_go)
        for client in clients:
            client.close()
