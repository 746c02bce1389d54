"""What is kept of an upstream, as administrators see it over the JSON API."""

from pathlib import Path
from typing import Any

import aiohttp

from pier.testing.faulty_registry import FaultyRegistry
from tests.system.registry.images import delete
from tests.system.registry.test_registry_upstream import manifest, through, upstream

__all__ = ["upstream"]


async def kept(http: aiohttp.ClientSession, query: str = "") -> tuple[list[Any], str]:
    """The entries, and the header that leads on."""
    async with http.get(f"/api/v1/upstreams/up{query}") as answer:
        assert answer.status == 200
        return await answer.json(), answer.headers.get("Link", "")


async def test_repositories_that_are_kept(upstream: FaultyRegistry, tmp_path: Path) -> None:
    for name in ("app", "team/app", "zoo"):
        for tag in ("1", "2"):
            upstream.add_image(name, tag, [name.encode()])
    async with through(tmp_path, upstream.host) as (_, http):
        assert await kept(http) == ([], "")
        for name in ("zoo", "team/app", "app"):
            await manifest(http, "2", f"up/{name}")
        await manifest(http, "1", "up/app")
        listed, _ = await kept(http)
        assert [(each["name"], each["tags"]) for each in listed] == [
            ("up/app", ["1", "2"]),
            ("up/team/app", ["2"]),
            ("up/zoo", ["2"]),
        ]
        assert all(each["bytes"] > 100 and each["used"] > 1_700_000_000 for each in listed)
        two, link = await kept(http, "?n=2")
        assert [each["name"] for each in two] == ["up/app", "up/team/app"]
        assert "/api/v1/upstreams/up?last=up" in link
        rest, link = await kept(http, "?n=2&last=up/team/app")
        assert ([each["name"] for each in rest], link) == (["up/zoo"], "")
        await delete(http, "up/zoo", "2")
        assert [each["tags"] for each in (await kept(http))[0]] == [["1", "2"], ["2"], []]
        for path in ("u", "other", "up/app"):
            async with http.get(f"/api/v1/upstreams/{path}") as answer:
                assert answer.status == 404


async def test_it_is_for_administrators(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("me:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n")
    async with through(tmp_path, "127.0.0.1:9", htpasswd=str(tmp_path / "htpasswd")) as (_, http):
        for headers, status in (({}, 401), ({"Authorization": aiohttp.encode_basic_auth("me", "sekret")}, 403)):
            async with http.get("/api/v1/upstreams/up", headers=headers) as answer:
                assert answer.status == status
