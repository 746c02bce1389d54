"""Replications watched from outside: over the API, and by what is at the other side."""

import json
from collections.abc import Sequence
from typing import Any

import aiohttp

from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from tests.system.registry.images import Image, expect, push, push_blob
from tests.system.registry.waiting import eventually

SIGNATURE = "application/vnd.example.signature"


def rule(direction: str, host: str, **more: Any) -> dict[str, Any]:
    return {"name": "mirror", "direction": direction, "remote": {"url": f"http://{host}"}, **more}


async def digest(http: aiohttp.ClientSession, name: str, reference: str, base: str = "") -> str:
    """What it names; empty for nothing."""
    accept = {"Accept": ", ".join(mediatypes.MANIFEST_TYPES)}
    async with http.head(f"{base}/v2/{name}/manifests/{reference}", headers=accept) as answer:
        return answer.headers["Docker-Content-Digest"] if answer.status == 200 else ""


async def run(http: aiohttp.ClientSession, name: str = "mirror") -> str:
    """Ask for all of the rule; the run's id."""
    async with http.post(f"/api/v1/replications/{name}/run") as answer:
        await expect(answer, 202)
        return str((await answer.json())["id"])


async def ended(http: aiohttp.ClientSession, id: str, *states: str, seconds: float = 60) -> dict[str, Any]:
    """The run, once it is in one of the states (done or failed, where none is given)."""

    async def there() -> dict[str, Any] | None:
        async with http.get(f"/api/v1/runs/{id}") as answer:
            found: dict[str, Any] = await answer.json()
            return found if found["state"] in (states or ("done", "failed")) else None

    found: dict[str, Any] = await eventually(there, seconds)
    return found


async def ran(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Do all of the rule; its run, when it is over."""
    return await ended(http, await run(http))


def put_together(*images: Image) -> Image:
    """An index: an image without blobs of its own."""
    described = [
        {
            "mediaType": mediatypes.OCI_MANIFEST,
            "digest": each.digest,
            "size": len(each.manifest),
            "platform": {"os": "linux", "architecture": f"x{number}"},
        }
        for number, each in enumerate(images)
    ]
    document = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": described}
    return Image((), json.dumps(document).encode())


async def push_index(
    http: aiohttp.ClientSession, name: str, tag: str, images: Sequence[Image], base: str = ""
) -> Image:
    for each in images:
        await push(http, name, each.digest, each, base)
    index = put_together(*images)
    await put_document(http, name, tag, index.manifest, mediatypes.OCI_INDEX, base)
    return index


async def put_document(
    http: aiohttp.ClientSession, name: str, reference: str, data: bytes, media_type: str, base: str = ""
) -> None:
    url = f"{base}/v2/{name}/manifests/{reference}"
    async with http.put(url, data=data, headers={"Content-Type": media_type}) as answer:
        await expect(answer, 201)


async def sign(http: aiohttp.ClientSession, name: str, subject: Image, text: bytes, base: str = "") -> Digest:
    """Attach an artifact to it; the artifact's digest."""
    for blob in (b"{}", text):
        await push_blob(http, name, blob, base)
    document = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "artifactType": SIGNATURE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": sha256(text), "size": len(text)}],
        "subject": {"mediaType": mediatypes.OCI_INDEX, "digest": subject.digest, "size": len(subject.manifest)},
    }
    data = json.dumps(document).encode()
    await put_document(http, name, sha256(data), data, mediatypes.OCI_MANIFEST, base)
    return sha256(data)


async def referring(http: aiohttp.ClientSession, name: str, subject: Image, base: str = "") -> list[str]:
    async with http.get(f"{base}/v2/{name}/referrers/{subject.digest}") as answer:
        await expect(answer, 200)
        return [each["digest"] for each in (await answer.json(content_type=None))["manifests"]]
