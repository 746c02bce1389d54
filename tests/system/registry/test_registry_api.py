"""The JSON API: people and rights, projects, and what the repositories hold."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from tests.system.registry.people import House, Stock, basic, house, shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["house", "shared"]

LAYER = b"a layer"
HISTORY = [{"created": "2026-01-01T00:00:00Z", "created_by": "COPY a b"}]
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "history": HISTORY, "config": {"Cmd": ["sh"]}}).encode()
DESCRIPTION = {"org.opencontainers.image.description": "A site"}


def described(data: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": sha256(data), "size": len(data)}


IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": described(CONFIG, mediatypes.OCI_CONFIG),
        "layers": [described(LAYER, mediatypes.OCI_LAYER_GZIP)],
        "annotations": DESCRIPTION,
    }
).encode()
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [{**described(IMAGE, mediatypes.OCI_MANIFEST), "platform": {"os": "linux", "architecture": "x"}}],
    }
).encode()


@pytest.fixture(scope="module")
def stock() -> Stock:
    async def stock(http: aiohttp.ClientSession) -> None:
        for name in ("team/site", "team/tags", "site/docs", "other/site"):
            await push(http, name)

    return stock


async def push(http: aiohttp.ClientSession, name: str) -> None:
    for data in (CONFIG, LAYER):
        where = f"/v2/{name}/blobs/uploads/?digest={sha256(data)}"
        async with http.post(where, data=data, headers=basic("root")) as answer:
            assert answer.status == 201
    for tag, data in (("latest", IMAGE), ("many", INDEX)):
        headers = {**basic("root"), "Content-Type": json.loads(data)["mediaType"]}
        async with http.put(f"/v2/{name}/manifests/{tag}", data=data, headers=headers) as answer:
            assert answer.status == 201, await answer.text()


async def test_users(house: House) -> None:
    new = {"name": "dan", "password": "first-Pa55", "roles": {"team": "reader"}}
    assert (await house("ann", "POST", "users", new))[0] == 403
    assert (await house("", "POST", "users", new))[0] == 401
    status, made = await house("root", "POST", "users", new)
    assert (status, made["roles"]) == (201, {"team": "reader"})
    assert (await house("root", "POST", "users", new))[0] == 409
    dan = basic("dan", "first-Pa55")
    assert (await house.request(dan, "GET", "/v2/team/site/tags/list"))[0] == 200
    assert (await house.request(dan, "PATCH", "/api/v1/users/dan", {"admin": True}))[0] == 403
    assert (await house.request(dan, "PATCH", "/api/v1/users/dan", {"password": "second-Pa55"}))[0] == 200
    assert (await house.request(dan, "GET", "/v2/"))[0] == 401
    dan = basic("dan", "second-Pa55")
    assert (await house.request(dan, "GET", "/api/v1/users/dan"))[1]["name"] == "dan"
    assert (await house.request(dan, "GET", "/api/v1/users/ann"))[0] == 403
    assert (await house("root", "PATCH", "users/dan", {"roles": {"team": ""}, "disabled": True}))[1]["roles"] == {}
    assert (await house.request(dan, "GET", "/v2/"))[0] == 401
    assert (await house("root", "DELETE", "users/dan"))[0] == 204
    status, found = await house("root", "GET", "users")
    assert sorted(each["name"] for each in found) == ["ann", "bob", "cat", "eve", "root"]
    assert "$2b$" not in json.dumps(found)
    log = await asyncio.to_thread(Path(house.registry.root.parent / "audit.log").read_text)
    assert '"event": "user add", "who": "root"' in log
    assert "Pa55" not in log


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a b"},
        {"name": "robot$x"},
        {"name": "x", "roles": {"team": "king"}},
        {"name": "x", "roles": {"../x ": "reader"}},
        {"name": "x", "password": "p" * 73},
        {"name": "x", "secret": "y"},
    ],
)
async def test_users_that_cannot_be(body: Any, shared: House) -> None:
    status, answer = await shared("root", "POST", "users", body)
    assert (status, answer["errors"][0]["code"]) == (400, "INVALID")


async def test_only_what_says_that_it_is_json(shared: House) -> None:
    headers = {**basic("root"), "Content-Type": "text/plain"}
    async with shared.http.post("/api/v1/users", data=b'{"name":"x"}', headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("site, status", [("cross-site", 403), ("same-site", 403), ("same-origin", 404), ("none", 404)])
async def test_pages_of_other_sites_begin_nothing(site: str, status: int, shared: House) -> None:
    """A browser that knows the password sends it with whatever any page asks for."""
    headers = {**basic("root"), "Sec-Fetch-Site": site}
    async with shared.http.post("/api/v1/builds/none/run", headers=headers) as answer:
        assert answer.status == status
    async with shared.http.get("/api/v1/builds", headers=headers) as answer:
        assert answer.status == 200


async def test_a_change_is_made_whole_or_not_at_all(house: House) -> None:
    status, _ = await house("root", "PATCH", "users/bob", {"disabled": True, "password": "p" * 73})
    assert status == 400
    assert (await house("root", "GET", "users/bob"))[1]["disabled"] is False


async def test_a_token_does_not_administer(shared: House) -> None:
    async with shared.http.get("/token", headers=basic("root")) as answer:
        token = (await answer.json())["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await shared.request(headers, "POST", "/api/v1/users", {"name": "x"}))[0] == 401


async def test_projects(house: House) -> None:
    rules = {"public": True, "immutable": ["v*"], "retention": [{"pattern": "pr-*", "days": 7}], "quota": 1000000}
    assert (await house("ann", "PUT", "projects/team", rules))[0] == 403
    assert (await house("root", "PUT", "projects/team", rules))[0] == 200
    assert (await house("ann", "PUT", "projects/team", {"quota": 5}))[0] == 403
    status, shown = await house("ann", "PUT", "projects/team", {"public": False})
    assert (status, shown["public"], shown["quota"], shown["immutable"]) == (200, False, 1000000, ["v*"])
    assert shown["used"] == len(LAYER) + len(CONFIG)
    assert (await house("bob", "PUT", "projects/team", {"public": True}))[0] == 403
    for who, names in (("root", ["other", "site", "team"]), ("bob", ["site", "team"]), ("", ["site"])):
        assert [each["name"] for each in (await house(who, "GET", "projects"))[1]] == names
    assert (await house("eve", "GET", "projects/other"))[0] == 403
    misspelt = {"retention": [{"patern": "pr-*", "days": 7}]}
    for wrong in ({"quota": -1}, {"retention": [{"keep": -1}]}, {"nonsense": 1}, {"immutable": [""]}, misspelt):
        assert (await house("root", "PUT", "projects/team", wrong))[0] == 400
    assert (await house("root", "PUT", "projects/a%2Fb", {}))[0] == 400
    assert (await house("root", "DELETE", "projects/team"))[0] == 204
    assert (await house("root", "DELETE", "projects/team"))[0] == 404


async def test_a_project_that_was_only_pushed_to_has_an_admin(house: House) -> None:
    status, shown = await house("ann", "PUT", "projects/team", {"immutable": ["v*"]})
    assert (status, shown["immutable"], shown["used"]) == (200, ["v*"], len(LAYER) + len(CONFIG))
    assert (await house("root", "PATCH", "users/ann", {"roles": {"new": "admin"}}))[0] == 200
    assert (await house("ann", "PUT", "projects/new", {"public": True}))[0] == 403


async def test_members(house: House) -> None:
    assert (await house("ann", "PUT", "projects/team/members/eve", {"role": "reader"}))[0] == 200
    assert (await house("eve", "GET", "repositories/team/site"))[0] == 200
    assert (await house("ann", "GET", "projects/team/members"))[1]["eve"] == "reader"
    assert (await house("ann", "PUT", "projects/other/members/ann", {"role": "admin"}))[0] == 403
    assert (await house("bob", "PUT", "projects/team/members/bob", {"role": "admin"}))[0] == 403
    assert (await house("ann", "PUT", "projects/team/members/nobody", {"role": "reader"}))[0] == 404
    assert (await house("ann", "DELETE", "projects/team/members/eve"))[0] == 200
    assert (await house("eve", "GET", "repositories/team/site"))[0] == 403


async def test_robots(house: House) -> None:
    status, made = await house("ann", "POST", "projects/team/robots", {"name": "deploy", "role": "reader"})
    assert (status, made["name"], made["roles"]) == (201, "robot$team+deploy", {"team": "reader"})
    robot = basic(made["name"], made["secret"])
    assert (await house.request(robot, "GET", "/v2/team/site/tags/list"))[0] == 200
    assert (await house.request(robot, "PATCH", f"/api/v1/users/{made['name']}", {"password": "x"}))[0] == 403
    assert "secret" not in json.dumps((await house("ann", "GET", "projects/team/robots"))[1])
    assert (await house("bob", "GET", "projects/team/robots"))[0] == 403
    status, changed = await house("ann", "PATCH", "projects/team/robots/deploy", {"role": "writer", "expires": 1 << 40})
    assert (status, changed["roles"], changed["expires"]) == (200, {"team": "writer"}, 1 << 40)
    for more in ({"roles": {"other": "admin"}}, {"password": "x"}, {"admin": True}, {"role": "king"}, {"expires": -1}):
        assert (await house("ann", "PATCH", "projects/team/robots/deploy", more))[0] == 400
    assert (await house("ann", "DELETE", "projects/team/robots/robot$other+x"))[0] == 403
    assert (await house("ann", "DELETE", "projects/team/robots/deploy"))[0] == 204
    assert (await house.request(robot, "GET", "/v2/team/site/tags/list"))[0] == 401


async def test_the_catalogue(shared: House) -> None:
    status, listed = await shared("bob", "GET", "repositories")
    assert [(each["name"], each["tags"]) for each in listed] == [("site/docs", 2), ("team/site", 2), ("team/tags", 2)]
    assert [each["name"] for each in (await shared("root", "GET", "repositories?q=site&n=1&last=other/site"))[1]] == [
        "site/docs"
    ]
    status, one = await shared("bob", "GET", "repositories/team%2Ftags")
    assert (status, one["name"], len(one["manifests"])) == (200, "team/tags", 2)
    status, tags = await shared("bob", "GET", "repositories/team/site/tags")
    assert (tags[0]["name"], tags[0]["size"]) == ("latest", len(IMAGE) + len(CONFIG) + len(LAYER))
    assert (await shared("bob", "GET", "repositories/team/none"))[0] == 404
    assert (await shared("bob", "GET", "repositories/other/site"))[0] == 403
    assert (await shared("", "GET", "repositories/other/site/tags"))[0] == 401
    assert (await shared("", "GET", "repositories/site/docs/tags"))[0] == 200


async def test_layers_and_history(shared: House) -> None:
    _, image = await shared("cat", "GET", "repositories/team/site/tags/latest")
    assert [layer["digest"] for layer in image["layers"]] == [sha256(LAYER)]
    config = image["config"]
    assert (config["architecture"], config["history"], config["config"]) == ("amd64", HISTORY, {"Cmd": ["sh"]})
    assert (await shared("cat", "GET", f"repositories/team/site/manifests/{sha256(IMAGE)}"))[1] == image
    _, index = await shared("cat", "GET", "repositories/team/site/tags/many")
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["x"]
    assert (await shared("cat", "GET", "repositories/team/site/tags/none"))[0] == 404


async def test_search(shared: House) -> None:
    for who, names in (("root", ["other/site", "site/docs", "team/site"]), ("", ["site/docs"])):
        status, found = await shared.request(basic(who) if who else {}, "GET", "/v1/search?q=site&n=25")
        assert (status, found["num_results"]) == (200, len(names))
        assert [each["name"] for each in found["results"]] == names
    assert found["results"][0]["description"] == "A site"
    status, found = await shared.request(basic("root"), "GET", "/v1/search?q=s&n=2&page=2")
    assert ([each["name"] for each in found["results"]], found["num_pages"]) == (["team/site", "team/tags"], 2)
    assert (await shared("", "GET", "search?q=&n=0"))[0] == 400


async def test_dockerd_searches_for_who_has_not_logged_in(shared: House) -> None:
    """It sends an empty name and an empty password then, to a registry over HTTPS."""
    nobody = {"Authorization": "Basic Og=="}
    status, found = await shared.request(nobody, "GET", "/v1/search?q=site&n=25")
    assert (status, [each["name"] for each in found["results"]]) == (200, ["site/docs"])
    assert (await shared.request(nobody, "GET", "/v2/team/site/tags/list"))[0] == 401


@pytest.mark.parametrize("path", ["", "nonsense", "users/a/b", "projects/%00", "repositories", "users/"])
async def test_paths_that_lead_nowhere(path: str, shared: House) -> None:
    assert (await shared("root", "DELETE", path))[0] in (404, 405)
