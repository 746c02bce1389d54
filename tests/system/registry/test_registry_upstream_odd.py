"""Pulling through what is seldom: broken upstreams, odd blobs, names, rights and quotas."""

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pier.metadata.registry.opening import open_records
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.testing.faulty_registry import FaultyRegistry, cut, first_byte, say, say_error
from pier.testing.registry import free_port
from tests.system.registry.images import delete
from tests.system.registry.test_registry_upstream import MIB, blob, blob_of, manifest, through, upstream
from tests.system.registry.waiting import until

__all__ = ["upstream"]


async def asked(http: aiohttp.ClientSession, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    async with http.request(method, path, headers=headers) as answer:
        return answer.status, await answer.read()


async def metric(http: aiohttp.ClientSession, name: str) -> float:
    _, text = await asked(http, "/metrics")
    head = f'pier_registry_upstream_{name}{{upstream="up"}} '
    lines = [line for line in text.decode().splitlines() if line.startswith(head)]
    return float(lines[0].split()[1]) if lines else 0.0


async def test_a_manifest_that_is_a_blob_too(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = upstream.add_image("app", "1", [b"x"])
    data = upstream.manifests["app", "1"][0]
    upstream.add_blob(data)
    for order in ("blob first", "manifest first"):
        async with through(tmp_path / order, upstream.host, up={"ttl": 0}) as (_, http):
            if order == "manifest first":
                assert await manifest(http) == (200, data)
            assert await blob(http, digest) == data
            for reference in ("1", digest, "1"):
                assert await manifest(http, reference) == (200, data)
            await delete(http, "up/app", digest)
            assert await manifest(http, digest) == (200, data)


@pytest.mark.parametrize("more", [0, 100])
async def test_all_had_come_when_it_was_stopped(upstream: FaultyRegistry, tmp_path: Path, more: int) -> None:
    """Or more than that: what came belongs to another size that a manifest had told."""
    digest = blob_of(upstream, 2 * MIB)
    whole = upstream.blobs[digest]

    async def beyond(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(status=416) if first_byte(request) >= len(whole) else registry.answer(request)

    upstream.misbehave("GET .*/blobs/", cut(after=3 * MIB // 2, stall=True), times=1)
    upstream.misbehave("GET .*/blobs/", beyond)
    listen = [f"127.0.0.1:{free_port()}"]
    async with through(tmp_path, upstream.host, stop_wait=0, listen=listen) as (registry, http):
        await manifest(http)
        async with http.get(f"/v2/up/app/blobs/{digest}") as answer:
            await answer.content.readexactly(MIB)
            registry.child.send_signal(signal.SIGTERM)
            await registry.child.wait()
    records = await open_records(f"sqlite://{registry.root}/registry.db")
    (upload,) = await records.stale_uploads(1 << 40, 10)
    (registry.root / "blobs" / upload.location[:2] / upload.location).write_bytes(whole + bytes(more))
    size = len(whole) + more
    assert await records.advance_upload(upload.id, upload.offset, size, upload.state, upload.touched)
    await records.stop()
    async with through(tmp_path, upstream.host, listen=listen) as (_, http):
        if more:
            async with http.get(f"/v2/up/app/blobs/{digest}") as answer:
                with pytest.raises(aiohttp.ClientError):
                    answer.raise_for_status()
                    await answer.read()
        assert await blob(http, digest) == whole
        assert await uploads_left(registry.root) == 0


async def uploads_left(root: Path) -> int:
    records = await open_records(f"sqlite://{root}/registry.db")
    found = len(await records.stale_uploads(1 << 40, 100))
    await records.stop()
    return found


async def test_a_bad_manifest_is_no_outage(upstream: FaultyRegistry, tmp_path: Path) -> None:
    upstream.add_image("app", "1", [b"first"])
    old = {"schemaVersion": 1, "name": "app", "tag": "old", "fsLayers": [], "history": [], "architecture": "amd64"}
    upstream.manifests["app", "old"] = (
        json.dumps(old).encode(),
        "application/vnd.docker.distribution.manifest.v1+json",
    )
    async with through(tmp_path, upstream.host, up={"ttl": 0}) as (_, http):
        first = await manifest(http)
        status, text = await manifest(http, "old")
        assert status == 503
        assert b"schema 1 manifests are no longer supported" in text
        upstream.add_image("app", "1", [b"second"])
        assert await manifest(http) != first, "others are asked for as before"
        _, text = await asked(http, "/api/v1/upstreams")
        assert not json.loads(text)[0]["trouble"]


async def test_what_becomes_of_blobs_that_are_refused(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, MIB)
    whole = upstream.blobs[digest]

    async def wrong(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"y" * len(whole))

    async def short(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(body=whole[:10])

    expected = [
        (say_error(404, "BLOB_UNKNOWN", "gone"), 404),
        (say_error(403, "DENIED", "no"), 404),
        (say_error(401, "UNAUTHORIZED", "who"), 404),
        (say_error(429, "TOOMANYREQUESTS", "slow"), 429),
        (say(500), 503),
        (say(416), 503),
        (say(302, headers={"Location": "ftp://x/"}), 503),
    ]
    async with through(tmp_path, upstream.host) as (_, http):
        await manifest(http)
        for fault, wanted in expected:
            upstream.misbehave("GET .*/blobs/", fault)
            status, text = await asked(http, f"/v2/up/app/blobs/{digest}")
            assert status == wanted, (status, text)
            upstream.forget()
        for fault in (wrong, short):
            upstream.misbehave("GET .*/blobs/", fault)
            assert (await asked(http, f"/v2/up/app/blobs/{digest}", Range="bytes=-1"))[0] == 503
            upstream.forget()
        assert await blob(http, digest) == whole
        # it is counted a moment after its last byte
        await until(lambda: metric(http, "blobs_fetched_total"), lambda count: count == 1)


async def test_odd_blobs(upstream: FaultyRegistry, tmp_path: Path) -> None:
    empty = upstream.add_blob(b"")
    config = upstream.add_blob(b"{}")
    upstream.add_manifest(
        "app",
        "1",
        {
            "schemaVersion": 2,
            "mediaType": mediatypes.OCI_MANIFEST,
            "config": {"mediaType": "application/x", "digest": config, "size": 2},
            "layers": [{"mediaType": "application/x", "digest": empty, "size": 0}],
        },
    )
    async with through(tmp_path, upstream.host) as (registry, http):
        assert (await manifest(http))[0] == 200
        for path in (f"/v2/up/app/blobs/{empty}",) * 2:
            assert await asked(http, path) == (200, b"")
        path = f"/v2/up/app/blobs/{config}"
        assert (await asked(http, path, "HEAD"))[0] == 404, "who may push asks whether to"
        assert (await asked(http, path, **{"If-None-Match": f'"{config}"'}))[0] == 304
        assert (await asked(http, path, Range="bytes=9-"))[0] == 416
        assert await asked(http, path, Range="bytes=-1") == (206, b"}")
        for reference in ("..%2f", "a%20b", "é", "x" * 129, "sha256:0", "-x", "a:b", "sha512:" + "0" * 128):
            status, text = await manifest(http, reference)
            assert 400 <= status < 500, text
        for name in ("a" * 255, "up/" + "a" * 252, "a" * 250):
            assert (await manifest(http, name=name))[0] in (400, 404)
        assert "a request failed" not in registry.log.read_text()
    async with through(tmp_path, upstream.host, up={"default": True}) as (registry, http):
        for name in ("a" * 255, "up", "up/up"):
            assert (await manifest(http, name=name))[0] in (400, 404)
        assert "a request failed" not in registry.log.read_text()


async def test_large_manifests(upstream: FaultyRegistry, tmp_path: Path) -> None:
    child = upstream.add_image("app", "child", [b"x"])
    index: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [
            {"mediaType": mediatypes.OCI_MANIFEST, "digest": sha256(b"none"), "size": 3},
            {"mediaType": mediatypes.DOCKER_MANIFEST, "digest": child, "size": 3},
        ],
        "annotations": {"x": "x" * (4 * MIB - 600)},
    }
    upstream.add_manifest("app", "1", index)
    index["annotations"]["x"] += "x" * 1000
    upstream.add_manifest("app", "2", index)
    async with through(tmp_path, upstream.host, up={"ttl": 0}) as (_, http):
        for _ in range(2):
            assert await manifest(http) == (200, upstream.manifests["app", "1"][0])
        assert (await manifest(http, sha256(b"none")))[0] == 404
        assert (await manifest(http, child))[0] == 200
        status, text = await manifest(http, "2")
        assert status == 503
        assert b"is over" in text


async def test_quotas_are_for_pushes(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, MIB)
    async with through(tmp_path, upstream.host) as (_, http):
        async with http.put("/api/v1/projects/up", json={"quota": 10}) as answer:
            assert answer.status in (200, 201), await answer.text()
        await manifest(http)
        for each in (*upstream.blobs, digest):
            assert await blob(http, Digest(each)) == upstream.blobs[each]


async def test_a_password_that_cannot_be_read(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, MIB)
    secret = tmp_path / "secret"
    secret.write_text("x")
    up = {"ttl": 0, "username": "me", "password_file": str(secret)}
    async with through(tmp_path, upstream.host, up=up) as (_, http):
        first = await manifest(http)
    secret.unlink()
    async with through(tmp_path, upstream.host, up=up) as (_, http):
        assert await manifest(http) == first
        for path in ("manifests/2", f"blobs/{digest}", "tags/list"):
            status, text = await asked(http, f"/v2/up/app/{path}")
            assert (status, str(secret).encode() in text) == (200 if path == "tags/list" else 503, False)
        secret.write_text("x")
        assert (await asked(http, f"/v2/up/app/blobs/{digest}"))[0] == 200


def descriptors(pid: int) -> list[str]:
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return found


async def test_clients_that_go_away(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, 12 * MIB)
    upstream.misbehave("GET .*/blobs/", cut(after=4 * MIB, stall=True), times=1)
    async with through(tmp_path, upstream.host) as (registry, http):
        await manifest(http)

        async def impatient(number: int) -> None:
            async with aiohttp.ClientSession(f"http://{registry.host}") as own:
                start = {"Range": "bytes=8000000-"} if number % 2 else {}
                try:
                    async with asyncio.timeout(1), own.get(f"/v2/up/app/blobs/{digest}", headers=start) as answer:
                        await answer.read()
                except TimeoutError:
                    return

        await asyncio.gather(*map(impatient, range(200)))
        upstream.forget()
        assert await blob(http, digest) == upstream.blobs[digest]
        assert upstream.served <= 1.1 * len(upstream.blobs[digest])
        async with asyncio.timeout(150):
            while len(left := await asyncio.to_thread(descriptors, registry.child.pid)) > 60:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert not [each for each in left if "/blobs/" in each]
        assert "never retrieved" not in registry.log.read_text()


@pytest.mark.parametrize(
    "headers",
    [
        {"Link": '<http://[x>; rel="next"'},
        {"Link": '<http://x:99999/>; rel="next"'},
        {"Location": "http://[x", "Docker-Content-Digest": "sha256:0"},
        {"Content-Range": "bytes 99999999999999999999-/x", "Content-Length": "0"},
        {"Content-Type": "a" * 4000},
        {"WWW-Authenticate": "Bearer realm=http://[x,service=" + "x" * 1000},
    ],
)
@pytest.mark.parametrize("status", [200, 307])
async def test_nonsense_is_no_defect_of_ours(
    upstream: FaultyRegistry, tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    digest = blob_of(upstream, 1000)
    texts = (
        "",
        "null",
        "[]",
        '{"tags": null}',
        '{"tags": ["\\ud800", "a/b", ""], "schemaVersion": 2, "manifests": [{"digest": "x"}]}',
        "[" * 20000,
    )
    async with through(tmp_path, upstream.host, up={"ttl": 0}) as (registry, http):
        await manifest(http)
        for text in texts:
            upstream.misbehave(".*", say(status, text, headers))
            for path in ("manifests/1", f"manifests/{digest}", f"blobs/{digest}", "tags/list", f"referrers/{digest}"):
                async with http.get(f"/v2/up/app/{path}") as answer:
                    assert answer.status in (200, 404, 503), (path, text, await answer.text())
            upstream.forget()
        log = registry.log.read_text()
        assert "Traceback" not in log, log
