"""Images of random bytes, as any client pushes and pulls them over HTTP."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import aiohttp

from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256

_TYPE = mediatypes.OCI_MANIFEST


class Refused(Exception):
    """What a server said that is not what one hopes for. ``status`` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


@dataclass(frozen=True)
class Image:
    """``blobs``: the config first."""

    blobs: tuple[bytes, ...]
    manifest: bytes

    @property
    def digest(self) -> Digest:
        return sha256(self.manifest)

    @property
    def size(self) -> int:
        return sum(map(len, self.blobs))


def image(*sizes: int, also: Sequence[bytes] = ()) -> Image:
    """With a layer of each size, and the layers ``also``, which others may share."""
    layers = [*also, *(os.urandom(size) for size in sizes)]
    config = os.urandom(100)
    document = {
        "schemaVersion": 2,
        "mediaType": _TYPE,
        "config": _descriptor(mediatypes.OCI_CONFIG, config),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", each) for each in layers],
    }
    return Image((config, *layers), json.dumps(document).encode())


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


async def push(http: aiohttp.ClientSession, name: str, reference: str, pushed: Image, base: str = "") -> None:
    """As Docker does: ask, upload in two requests, then the manifest. Raises Refused."""
    for blob in pushed.blobs:
        await push_blob(http, name, blob, base)
    await put(http, name, reference, pushed, base)


async def put(http: aiohttp.ClientSession, name: str, reference: str, pushed: Image, base: str = "") -> None:
    where = f"{base}/v2/{name}/manifests/{reference}"
    async with http.put(where, data=pushed.manifest, headers={"Content-Type": _TYPE}) as answer:
        await expect(answer, 201)


async def push_blob(http: aiohttp.ClientSession, name: str, data: bytes, base: str = "") -> None:
    async with http.head(f"{base}/v2/{name}/blobs/{sha256(data)}") as known:
        if known.status == 200:
            return
    async with http.post(f"{base}/v2/{name}/blobs/uploads/") as begun:
        await expect(begun, 202)
        where = _location(begun, base)
    half = len(data) // 2
    async with http.patch(where, data=BytesIO(data[:half])) as answer:
        await expect(answer, 202)
        where = _location(answer, base)
    where += f"{'&' if '?' in where else '?'}digest={sha256(data)}"
    async with http.put(where, data=BytesIO(data[half:])) as answer:
        await expect(answer, 201)


def _location(answer: aiohttp.ClientResponse, base: str) -> str:
    """Distribution's are whole addresses with a query."""
    told = answer.headers["Location"]
    return told if told.startswith("http") else base + told


async def expect(answer: aiohttp.ClientResponse, status: int) -> None:
    if answer.status != status:
        raise Refused(answer.status, await answer.text())


async def assert_whole(http: aiohttp.ClientSession, name: str, reference: str, want: Image, base: str = "") -> None:
    """It is there under its name, with all its bytes."""
    async with http.get(f"{base}/v2/{name}/manifests/{reference}") as answer:
        assert answer.status == 200, await answer.text()
        assert await answer.read() == want.manifest
    for blob in want.blobs:
        async with http.get(f"{base}/v2/{name}/blobs/{sha256(blob)}") as answer:
            assert answer.status == 200, await answer.text()
            assert await answer.read() == blob


async def delete(http: aiohttp.ClientSession, name: str, reference: str, base: str = "") -> None:
    async with http.delete(f"{base}/v2/{name}/manifests/{reference}") as answer:
        await expect(answer, 202)
