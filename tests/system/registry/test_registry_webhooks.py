"""Webhooks of a running registry, at a receiver that refuses the first time."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import aiohttp
from aiohttp import web

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registry import free_port
from pier.testing.registryserver import pier_registry

CONFIG = {"mediaType": mediatypes.OCI_CONFIG, "digest": sha256(b"{}"), "size": 2}
IMAGE = json.dumps({"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": CONFIG, "layers": []}).encode()
SECRET = "a secret"


async def push(http: aiohttp.ClientSession, name: str) -> None:
    async with http.post(f"/v2/{name}/blobs/uploads/?digest={sha256(b'{}')}", data=b"{}") as answer:
        assert answer.status == 201
    headers = {"Content-Type": mediatypes.OCI_MANIFEST}
    async with http.put(f"/v2/{name}/manifests/1", data=IMAGE, headers=headers) as answer:
        assert answer.status == 201


async def test_a_push_is_told_signed_and_again_after_a_refusal_and_a_restart(tmp_path: Path) -> None:
    got: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    answers = iter([500])

    async def receive(request: web.Request) -> web.Response:
        got.put_nowait((request.headers["X-Hub-Signature-256"], await request.read()))
        return web.Response(status=next(answers, 200))

    app = web.Application()
    app.router.add_post("/told", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    hook = {"name": "ci", "url": f"http://127.0.0.1:{port}/told", "secret": SECRET, "names": ["team/*"]}
    try:
        async with (
            asyncio.timeout(30),
            pier_registry(tmp_path, webhook=[hook]) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            await push(http, "other/app")
            await push(http, "team/app")
            first = await got.get()
        async with (
            asyncio.timeout(30),
            pier_registry(tmp_path, webhook=[hook]) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            again = await got.get()
            async with http.delete("/v2/team/app/manifests/1") as answer:
                assert answer.status == 202
            _, deleted = await got.get()
    finally:
        await runner.cleanup()
    assert first == again
    assert first[0] == "sha256=" + hmac.new(SECRET.encode(), first[1], hashlib.sha256).hexdigest()
    (event,) = json.loads(first[1])["events"]
    assert (event["action"], event["target"]["repository"], event["target"]["tag"]) == ("push", "team/app", "1")
    assert event["target"]["digest"] == sha256(IMAGE)
    assert json.loads(deleted)["events"][0]["action"] == "delete"
