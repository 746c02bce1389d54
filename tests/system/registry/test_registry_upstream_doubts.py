"""Pulling through an upstream that says no, though what is asked for may well be there."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pier.testing.faulty_registry import Fault, FaultyRegistry, say, say_error
from pier.testing.registry import PASSWORD, USER, distribution
from pier.testing.tokens import TokenServer, token_server
from tests.system.registry.images import Image, image, push
from tests.system.registry.test_registry_upstream import MIB, blob, blob_of, manifest, signed_in, through, upstream
from tests.system.registry.test_registry_upstream_odd import asked, metric

BLOCKED = "denied: <h1>blocked by your company</h1>"
__all__ = ["upstream"]


async def trouble(http: aiohttp.ClientSession) -> str:
    async with http.get("/api/v1/upstreams") as answer:
        (listed,) = await answer.json()
        return str(listed["trouble"])


async def tags(http: aiohttp.ClientSession) -> Any:
    async with http.get("/v2/up/app/tags/list") as answer:
        return (await answer.json())["tags"]


@pytest.mark.parametrize(
    "fault", [say(404, "default backend - 404"), say(403, BLOCKED.removeprefix("denied: "))], ids=["404", "403"]
)
async def test_what_stands_before_it_takes_nothing_away(upstream: FaultyRegistry, fault: Fault, tmp_path: Path) -> None:
    """A proxy whose registry is down says 404 to everything, a firewall 403."""
    digest = blob_of(upstream, MIB)
    async with through(tmp_path, upstream.host, up={"ttl": 0}) as (registry, http):
        first = await manifest(http)
        await blob(http, digest)
        upstream.misbehave(".*", fault)
        assert await manifest(http) == first
        assert await trouble(http) in ("received unexpected HTTP status: 404 Not Found", BLOCKED)
        assert await manifest(http) == first
        assert await tags(http) == ["1"]
        assert (await metric(http, "out"), await metric(http, "manifests_stale_total")) == (1, 2)
        upstream.forget()
        assert (await manifest(http, "2"))[0] == 404  # it is asked, and answers again
        assert await trouble(http) == ""
        assert await metric(http, "out") == 0
        log = registry.log.read_text()
        assert "an upstream is out" in log
        assert "an upstream answers again" in log
        upstream.misbehave(".*/app/", say_error(403, "DENIED", "private by now"))
        assert (await manifest(http))[0] == 404


async def test_a_password_that_ran_out(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """What is kept serves; the rest is refused with the reason; and a new one is taken at once, for blobs too."""
    digest = blob_of(upstream, MIB)
    secret = tmp_path / "secret"
    secret.write_text("old")
    good = "old"

    async def guarded(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != aiohttp.encode_basic_auth("me", good):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="there"'})
        return registry.answer(request)

    upstream.misbehave(".*", guarded)
    up = {"username": "me", "password_file": str(secret), "ttl": 0}
    async with through(tmp_path, upstream.host, up=up) as (registry, http):
        first = await manifest(http)
        good = "new"
        for path in ("manifests/2", f"blobs/{digest}"):
            status, text = await asked(http, f"/v2/up/app/{path}")
            assert status == 503
            assert b"refuses our name and password" in text
        asked_before = len(upstream.requests)
        assert await manifest(http) == first
        assert (await manifest(http, "3"))[0] == 503
        assert len(upstream.requests) == asked_before, "nobody tries a password again and again that was refused"
        assert "refuses our name and password" in await trouble(http)
        assert "refuses our name and password" in registry.log.read_text()
        secret.write_text("new")
        assert await blob(http, digest) == upstream.blobs[digest]
        assert (await manifest(http, "2"))[0] == 404
        assert await manifest(http) == first
        assert await trouble(http) == ""


async def test_a_password_that_a_token_server_refuses(tmp_path: Path) -> None:
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as there:
        mine = await _pushed(tokens, there.host)
        up = {"username": USER, "password": PASSWORD, "ttl": 0}
        async with through(tmp_path, there.host, up=up) as (_, http):
            assert await manifest(http) == (200, mine.manifest)
        tokens.users[USER] = "another"
        async with through(tmp_path, there.host, up=up) as (_, http):
            assert await manifest(http) == (200, mine.manifest)
            assert "incorrect username or password" in await trouble(http)
            assert (await manifest(http, "2"))[0] == 503
        async with through(tmp_path / "anonymous", there.host) as (_, http):
            assert (await manifest(http))[0] == 404  # private: nothing is wrong with the registry
            assert await trouble(http) == ""


async def _pushed(tokens: TokenServer, host: str) -> Image:
    """``app:1`` there."""
    async with aiohttp.ClientSession(headers=signed_in()) as http:
        scope = {"service": "pier-test", "scope": "repository:app:pull,push"}
        async with http.get(tokens.realm, params=scope) as answer:
            token = (await answer.json())["token"]
    mine = image(5000)
    async with aiohttp.ClientSession(f"http://{host}", headers={"Authorization": f"Bearer {token}"}) as http:
        await push(http, "app", "1", mine)
    return mine


async def test_tags_are_listed_as_they_are_there(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """A kept one that is gone there is not; one that came a moment ago is."""
    listed = ["1", "2"]

    async def listing(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.json_response({"tags": listed})

    upstream.misbehave("tags/list", listing)
    for tag in ("1", "2", "3"):
        upstream.add_image("app", tag, [tag.encode()])
    async with through(tmp_path, upstream.host) as (_, http):
        await manifest(http, "2")
        assert await tags(http) == ["1", "2"]
        listed.append("3")
        await manifest(http, "3")
        assert await tags(http) == ["1", "2", "3"]
        listed.remove("2")
        await manifest(http, "1")
        assert await tags(http) == ["1", "3"]
        upstream.forget()
        upstream.misbehave(".*", say(500))
        upstream.add_image("app", "4", [b"x"])
        assert await tags(http) == ["1", "3"]
