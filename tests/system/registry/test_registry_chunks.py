"""Bodies that are not encoded as their head says: answered at once, and nothing is left of them."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from pier.oci.digest import sha256
from pier.testing.registryserver import PierRegistry, pier_registry

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAME = "/v2/team/a"
PATIENCE = 60
"""Seconds; a client may be silent for 120."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path_factory.mktemp("chunks")) as running:
        yield running


async def answer(server: PierRegistry, *pieces: bytes) -> bytes:
    """All that is said until the server closes. Each piece but the first is sent when the one before was taken."""
    host, _, port = server.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
                if piece.endswith(b"100-continue\r\n\r\n"):
                    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            return await reader.read()
    finally:
        writer.close()


def head(target: str) -> bytes:
    """The server says when it has begun to read the body: what follows comes in the midst of it."""
    method, path = target.split()
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode()


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n",
        b"5\r\nhello\r\nzz\r\n",
        b"5\r\nhelloworld\r\n",
        b"-5\r\nhello\r\n",
        b"ffffffffffffffffffffffff\r\nhello",
        b"\x00\xff\r\n",
    ],
)
@pytest.mark.parametrize(
    "target", [f"POST {NAME}/blobs/uploads/?digest={sha256(b'hello')}", f"PUT {NAME}/manifests/1", "POST {upload}"]
)
async def test_chunks_that_are_none(target: str, body: bytes, server: PierRegistry) -> None:
    async with aiohttp.ClientSession(f"http://{server.host}") as http:
        async with http.post(f"{NAME}/blobs/uploads/") as begun:
            upload = begun.headers["Location"]
        said = await answer(server, head(target.replace("POST {upload}", f"PATCH {upload}")), body)
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"not encoded as its head says" in said
        assert said.count(b"HTTP/1.") == 1
        async with http.get(f"{NAME}/manifests/1") as known:
            assert known.status == 404
        async with http.head(f"{NAME}/blobs/{sha256(b'hello')}") as known:
            assert known.status == 404


async def test_what_came_before_is_kept(server: PierRegistry) -> None:
    """As of an upload whose client has gone."""
    async with aiohttp.ClientSession(f"http://{server.host}") as http:
        async with http.post(f"{NAME}/blobs/uploads/") as begun:
            upload = begun.headers["Location"]
        async with http.patch(upload, data=b"sound") as first:
            assert first.status == 202
        assert b" 400 " in await answer(server, head(f"PATCH {upload}"), b"zz\r\n")
        async with http.get(upload) as status:
            assert (status.status, status.headers["Range"]) == (204, "0-4")
        async with http.put(f"{upload}?digest={sha256(b'sound')}") as finished:
            assert finished.status == 201


@pytest.mark.parametrize("first", [b"GARBAGE\r\n\r\n", b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n"])
async def test_requests_that_are_none(first: bytes, server: PierRegistry) -> None:
    """Also behind one that is: that gets its answer, or none."""
    assert b" 400 Bad Request\r\n" in await answer(server, first)
