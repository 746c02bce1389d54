"""Pulling through: who may, what the audit log says, and the ways to an upstream (TLS, IPv6, redirects, paths)."""

import asyncio
import base64
import json
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pier.oci.digest import Digest, sha256
from pier.testing.faulty_registry import FaultyRegistry, faulty_registry
from pier.testing.registry import PASSWORD, USER
from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import image, push
from tests.system.registry.test_registry_tls import make_pair
from tests.system.registry.test_registry_upstream import blob, blob_of, manifest, through, upstream

__all__ = ["upstream"]


def basic(name: str, word: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}


async def test_who_may_pull_through(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """Who may not makes us ask nothing there; by the mirrored name the same rights count."""
    digest = blob_of(upstream, 1000)
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    file = tmp_path / "audit.log"
    up = {"name": "team", "default": True}
    async with through(tmp_path, upstream.host, up=up, audit_log=file) as (_, http):
        paths = [f"/v2/{name}/manifests/1" for name in ("team/app", "app")]
        paths += [f"/v2/team/app/{rest}" for rest in (f"blobs/{digest}", "tags/list", f"referrers/{digest}")]
        for who, status in (("", 401), ("eve", 403), ("cat", 200)):
            asked = len(upstream.requests)
            for path in paths:
                headers = basic(who, password(who)) if who else {}
                async with http.get(path, headers=headers) as answer:
                    assert (answer.status, path) == (status, path)
            assert (len(upstream.requests) > asked) == (status == 200)
        async with http.get("/v2/team/app/manifests/none", headers=basic("cat", password("cat"))) as answer:
            assert answer.status == 404
        async with http.get("/api/v1/upstreams", headers=basic("cat", password("cat"))) as answer:
            assert answer.status == 403
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    pulls = [(each["who"], each["result"], each["repository"]) for each in lines if each["event"] == "pull"]
    kept = ("cat", "ok", "team/app")
    assert [each for each in pulls if each[0] == "cat"] == [kept, kept, ("cat", "404", "team/app")]
    assert [each for each in pulls if each[0] == "eve"][:2] == [("eve", "DENIED", "team/app")] * 2
    assert {each["digest"] for each in lines if each["event"] == "pull" and each["result"] == "ok"} == {
        sha256(upstream.manifests["app", "1"][0])
    }


@pytest.mark.parametrize("default", [True, False])
async def test_a_token_for_the_name_there_is_good_for_the_one_here(
    upstream: FaultyRegistry, tmp_path: Path, default: bool
) -> None:
    """Engines ask their mirror for a token by the repository's own name, whatever the mirror's challenge says."""
    blob_of(upstream, 1000)
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    up = {"name": "team", "default": default}
    async with through(tmp_path, upstream.host, up=up) as (_, http):
        statuses = []
        for who in ("cat", "eve", ""):
            headers = basic(who, password(who)) if who else {}
            scopes = [("scope", "repository:app:pull,push"), ("scope", "repository:team/app:push")]
            async with http.get("/token", params=scopes, headers=headers) as answer:
                given = await answer.json()
            assert given["scope"] == ("repository:team/app:pull" if who == "cat" else "")
            bearer = {"Authorization": f"Bearer {given['token']}"}
            for path in ("/team/v2/app/manifests/1", "/v2/team/app/manifests/1", "/v2/app/manifests/1"):
                async with http.get(path, headers=bearer) as answer:
                    statuses.append(answer.status)
    assert statuses[:3] == [200, 200, 200 if default else 403]
    assert set(statuses[3:]) <= {401, 403}


async def test_a_short_name_is_no_other_repository(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """As ``alpine`` and ``library/alpine`` at the Docker Hub: fetched once, kept once, one to have rights for."""
    upstream.add_image("library/app", "1", [b"x" * 100_000])
    digest = max(map(Digest, upstream.blobs), key=lambda each: len(upstream.blobs[each]))
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    up = {"name": "team", "default": True, "library": True, "names": ["app"]}
    async with through(tmp_path, upstream.host, up=up) as (_, http):
        root = basic("root", password("root"))
        for name in ("team/app", "team/library/app", "app", "library/app"):
            async with http.get("/token", params={"scope": f"repository:{name}:pull"}, headers=root) as answer:
                bearer = {"Authorization": f"Bearer {(await answer.json())['token']}"}
            for path in (f"{name}/manifests/1", f"{name}/blobs/{digest}", f"{name}/tags/list"):
                async with http.get(f"/v2/{path}", headers=bearer) as answer:
                    assert (answer.status, path) == (200, path)
                    body = await answer.read()
            assert json.loads(body)["tags"] == ["1"]
        assert upstream.requests.count(f"GET /v2/library/app/blobs/{digest}") == 1
        assert upstream.requests.count("GET /v2/library/app/manifests/1") == 1
        assert {each.split("/")[2] for each in upstream.requests} == {"library"}
        mount = {"mount": digest, "from": "team/app"}
        async with http.post("/v2/mine/app/blobs/uploads/", params=mount, headers=root) as answer:
            assert answer.status == 201
        async with http.delete("/v2/team/app/manifests/1", headers=root) as answer:
            assert answer.status == 202
        async with http.get("/v2/team/library/app/manifests/1", headers=root) as answer:
            assert answer.status == 200
        assert upstream.requests.count("GET /v2/library/app/manifests/1") == 2
        mine = image(2000)
    async with through(tmp_path, upstream.host, up=up) as (_, http):
        http.headers.update(root)
        await push(http, "team/app", "1", mine)
        assert await manifest(http, name="team/app") == (200, mine.manifest)
        assert (await manifest(http, name="team/library/app"))[1] != mine.manifest


async def test_a_password_stays_where_it_belongs(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """Blobs are redirected to another host; the password is changed while we serve."""
    digest = blob_of(upstream, 1000)
    secret = tmp_path / "secret"
    secret.write_text("wrong")

    async def guarded(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != basic(USER, PASSWORD)["Authorization"]:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="there"'})
        if "/blobs/" in request.path:
            return web.Response(status=307, headers={"Location": f"http://{other.host}{request.path}"})
        return registry.answer(request)

    async with faulty_registry() as other:
        other.blobs = upstream.blobs
        upstream.misbehave(".*", guarded)
        up = {"username": USER, "password_file": str(secret), "ttl": 0}
        async with through(tmp_path, upstream.host, up=up) as (_, http):
            assert (await manifest(http))[0] == 503
            secret.write_text(PASSWORD)
            assert (await manifest(http))[0] == 200
            assert await blob(http, digest) == upstream.blobs[digest]
        assert other.requests == [f"GET /v2/app/blobs/{digest}"]
        assert not [each for each in other.headers if "Authorization" in each]


async def test_over_ipv6_and_under_a_path(tmp_path: Path) -> None:
    async with faulty_registry("::1") as there:
        there.add_image("deep/team/app", "1", [b"x"])
        data = there.manifests["deep/team/app", "1"][0]
        up = {"url": f"http://{there.host}/deep/team/", "default": True}
        async with through(tmp_path, there.host, up=up) as (_, http):
            assert await manifest(http) == (200, data)
            for digest in there.blobs:
                assert await blob(http, Digest(digest)) == there.blobs[digest]
            async with http.get("/v2/app/manifests/1", params={"ns": there.host}) as answer:
                assert answer.status == 200
            async with http.get("/v2/app/manifests/1", params={"ns": "[::1]"}) as answer:
                assert answer.status == 404


@pytest.mark.parametrize("insecure", [True, False])
async def test_over_tls(tmp_path: Path, insecure: bool) -> None:
    certificate, key = make_pair(tmp_path, 1)
    mine = image(5000)
    async with pier_registry(tmp_path / "far", tls_cert=certificate, tls_key=key) as there:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificate))
        async with aiohttp.ClientSession(f"https://{there.host}", connector=connector) as http:
            await push(http, "app", "1", mine)
        up = {"url": f"https://{there.host}", "insecure": insecure}
        async with through(tmp_path, there.host, up=up) as (_, http):
            status, text = await manifest(http)
            if insecure:
                assert (status, text) == (200, mine.manifest)
                assert await blob(http, sha256(mine.blobs[1])) == mine.blobs[1]
            else:
                assert status == 503
                assert b"certificate" in text


async def test_what_is_deleted_is_not_counted(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, 100_000)
    async with through(tmp_path, upstream.host) as (_, http):
        await manifest(http)
        await blob(http, digest)
        async with http.delete(f"/v2/up/app/blobs/{digest}") as answer:
            assert answer.status == 202
        assert await kept(http) < 100_000
        assert await blob(http, digest) == upstream.blobs[digest]
        async with asyncio.timeout(60):  # it is written down a moment after its last byte
            while await kept(http) <= 100_000:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def kept(http: aiohttp.ClientSession) -> int:
    """Bytes of the upstream."""
    async with http.get("/api/v1/upstreams") as answer:
        return int((await answer.json())[0]["bytes"])
