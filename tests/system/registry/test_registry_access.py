"""Who may do what, asked of a running registry: passwords, tokens, robots, the public, limits."""

import asyncio
import base64
import random
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import bcrypt
import jwt
import pytest

from pier.metadata.registry.opening import open_records
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.registry.access import accounts
from pier.registry.access.tokens import Tokens
from pier.testing.postgres import postgres
from pier.testing.registrypeople import ROBOT, password, settle
from pier.testing.registryserver import pier_registry
from tests.system.registry.people import House, Json, Stock, basic, codes, house, shared
from tests.system.registry.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["house", "shared"]

IMAGE = b'{"schemaVersion":2,"mediaType":"' + mediatypes.OCI_MANIFEST.encode() + b'","layers":[],"config":{"mediaType":'
IMAGE += f'"{mediatypes.OCI_CONFIG}","digest":"{sha256(b"{}")}","size":2}}}}'.encode()


async def gives(http: aiohttp.ClientSession, path: str, auth: dict[str, str], status: int) -> bool:
    async with http.get(path, headers=auth) as answer:
        return answer.status == status


async def push(http: aiohttp.ClientSession, name: str, auth: dict[str, str]) -> None:
    """An image ``name:1`` of next to nothing."""
    async with http.post(f"/v2/{name}/blobs/uploads/?digest={sha256(b'{}')}", data=b"{}", headers=auth) as answer:
        assert answer.status == 201, await answer.text()
    headers = {"Content-Type": mediatypes.OCI_MANIFEST, **auth}
    async with http.put(f"/v2/{name}/manifests/1", data=IMAGE, headers=headers) as answer:
        assert answer.status == 201, await answer.text()


@pytest.fixture(scope="module")
def stock() -> Stock:
    async def stock(http: aiohttp.ClientSession) -> None:
        for name in ("team/a", "site/a", "other/a"):
            await push(http, name, basic("root"))

    return stock


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (None, (401, 401, 401, 200, 401, 401)),
        ("root", (200, 202, 404, 200, 202, 200)),
        ("ann", (200, 202, 404, 200, 403, 403)),
        ("bob", (200, 202, 403, 200, 403, 403)),
        ("cat", (200, 403, 403, 200, 403, 403)),
        ("eve", (403, 403, 403, 200, 403, 403)),
    ],
)
@pytest.mark.parametrize("way", ["password", "token"])
async def test_roles(way: str, who: str | None, expected: tuple[int, ...], shared: House) -> None:
    """Pull, push and delete in a project; pull and push where anybody may pull; pull where only root may.

    Who has signed in is told that they may not; who has not, that they could.
    """
    missing = sha256(b"missing")
    asked = [
        ("GET", "/v2/team/a/manifests/1", "repository:team/a:pull"),
        ("POST", "/v2/team/a/blobs/uploads/", "repository:team/a:pull,push"),
        ("DELETE", f"/v2/team/a/manifests/{missing}", "repository:team/a:delete"),
        ("GET", "/v2/site/a/manifests/1", "repository:site/a:pull"),
        ("POST", "/v2/site/a/blobs/uploads/", "repository:site/a:pull,push"),
        ("GET", "/v2/other/a/manifests/1", "repository:other/a:pull"),
    ]
    for (method, path, scope), status in zip(asked, expected, strict=True):
        if way == "token":
            token = (await shared.token(who, scope))["token"]
            found, errors = await shared.with_token(method, path, token)
        elif who is None and status == 200:
            found, errors = await shared.ask(method, path)
        else:
            found, errors = await shared.ask(method, path, who)
        assert (found, path) == (status, path)
        assert errors == {401: ["UNAUTHORIZED"], 403: ["DENIED"], 404: ["MANIFEST_UNKNOWN"]}.get(status, [])


async def test_the_challenge_says_where_tokens_are(shared: House) -> None:
    origin = f"http://{shared.registry.host}"
    for path, scope in (("/v2/", ""), ("/v2/team/a/tags/list", ',scope="repository:team/a:pull"')):
        async with shared.http.get(path) as answer:
            expected = f'Bearer realm="{origin}/token",service="pier-registry"{scope}'
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, expected)
    async with shared.http.get("/v2/", headers={"Host": "registry.example:444"}) as answer:
        assert 'realm="http://registry.example:444/token"' in answer.headers["WWW-Authenticate"]
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere"}
    async with shared.http.get("/v2/", headers=forwarded) as answer:
        assert f'realm="{origin}/token"' in answer.headers["WWW-Authenticate"]
    async with shared.http.get("/v2/", headers={"Host": 'a"b,realm="http://evil'}) as answer:
        assert (answer.status, "WWW-Authenticate" in answer.headers) == (400, False)


async def test_a_proxy_that_is_trusted_says_how_it_was_called(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    async with pier_registry(tmp_path, trusted_proxies=["127.0.0.0/8"]) as registry, aiohttp.ClientSession() as http:
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere"}
        async with http.get(f"http://{registry.host}/v2/", headers=forwarded) as answer:
            assert 'realm="https://elsewhere/token"' in answer.headers["WWW-Authenticate"]


async def test_a_token_is_for_what_it_says(shared: House) -> None:
    token = (await shared.token("root", "repository:team/a:pull"))["token"]
    assert await shared.with_token("GET", "/v2/", token) == (200, [])
    assert await shared.with_token("GET", "/v2/team/a/manifests/1", token) == (200, [])
    assert await shared.with_token("GET", "/v2/other/a/manifests/1", token) == (401, ["UNAUTHORIZED"])
    assert await shared.with_token("POST", "/v2/team/a/blobs/uploads/", token) == (401, ["UNAUTHORIZED"])
    assert await shared.with_token("GET", "/v2/_catalog", token) == (401, ["UNAUTHORIZED"])


async def test_scopes_are_cut_down(shared: House) -> None:
    asked = ("repository:team/a:pull,push,delete", "repository:other/a:pull", "registry:catalog:*")
    assert (await shared.token("bob", *asked))["scope"] == "repository:team/a:pull,push registry:catalog:*"
    assert (await shared.token("cat", "repository:team/a:*"))["scope"] == "repository:team/a:pull"
    assert (await shared.token(None, *asked, "repository:site/b:pull,push"))["scope"] == "repository:site/b:pull"


async def test_mounts_need_to_read_what_they_take(house: House) -> None:
    blob = sha256(b"{}")
    mount = f"/v2/team/new/blobs/uploads/?mount={blob}&from="
    assert await house.ask("POST", mount + "other/a", "bob") == (202, [])
    assert await house.ask("POST", mount + "team/a", "bob") == (201, [])
    mine = (await house.token("bob", "repository:team/newer:pull,push"))["token"]
    mount = f"/v2/team/newer/blobs/uploads/?mount={blob}&from=team/a"
    assert await house.with_token("POST", mount, mine) == (202, [])
    both = (await house.token("bob", "repository:team/newer:pull,push", "repository:team/a:pull"))["token"]
    assert await house.with_token("POST", mount, both) == (201, [])


@pytest.mark.parametrize(
    ("who", "expected"),
    [("root", ["other/a", "site/a", "team/a"]), ("cat", ["site/a", "team/a"]), ("eve", ["site/a"])],
)
async def test_the_catalogue_shows_what_the_asker_may_read(who: str, expected: list[str], shared: House) -> None:
    async with shared.http.get("/v2/_catalog", headers=basic(who)) as answer:
        assert (await answer.json())["repositories"] == expected
    token = (await shared.token(who, "registry:catalog:*"))["token"]
    async with shared.http.get("/v2/_catalog", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert (await answer.json())["repositories"] == expected
    assert (await shared.ask("GET", "/v2/_catalog"))[0] == 401


async def test_refresh_tokens(house: House) -> None:
    refresh = (await house.token("bob", offline_token="true"))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "service": "pier-registry", "client_id": "x"}
    async with house.http.post("/token", data={**form, "scope": "repository:team/a:pull"}) as answer:
        token = (await answer.json())["access_token"]
    assert await house.with_token("GET", "/v2/team/a/manifests/1", token) == (200, [])
    assert await house.with_token("GET", "/v2/", refresh) == (401, ["UNAUTHORIZED"])
    async with house.http.post("/token", data={**form, "refresh_token": token}) as answer:
        assert answer.status == 401
    records = await open_records(house.database)
    await accounts.change_user(records, "bob", password="another")
    await records.stop()

    async def is_refused() -> bool:
        return (await house.with_token("GET", "/v2/team/a/manifests/1", token))[0] == 401

    await eventually(is_refused)  # what instances know may be two seconds old
    async with house.http.post("/token", data=form) as answer:
        assert answer.status == 401


async def test_passwords_by_post(house: House) -> None:
    form = {"grant_type": "password", "username": "bob", "password": password("bob"), "access_type": "offline"}
    async with house.http.post("/token", data=form) as answer:
        assert "refresh_token" in await answer.json()
    for wrong, status in (({**form, "password": "x"}, 401), ({**form, "grant_type": "magic"}, 400), ({}, 400)):
        async with house.http.post("/token", data=wrong) as answer:
            assert answer.status == status
    async with house.http.get("/token?service=another") as answer:
        assert answer.status == 400


@pytest.mark.parametrize(("who", "word"), [("bob", "wrong"), ("nobody", "x"), ("bob", ""), ("bob", "y" * 200)])
async def test_wrong_passwords(who: str, word: str, house: House) -> None:
    auth = basic(who, word)
    for path in ("/v2/", "/token", "/v2/site/a/manifests/1"):
        async with house.http.get(path, headers=auth) as answer:
            error = (await answer.json())["errors"][0]
            assert (answer.status, error["message"]) == (401, "incorrect username or password")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic Ym9i", "Digest x", "Bearer", "Bearer x", "bearer a.b.c"]
)
async def test_credentials_that_are_none(header: str, shared: House) -> None:
    async with shared.http.get("/v2/", headers={"Authorization": header}) as answer:
        assert (answer.status, await codes(answer)) == (401, ["UNAUTHORIZED"])


async def test_headers_of_any_bytes(house: House) -> None:
    """Nobody gets in, nothing breaks, and no log is written by them."""
    host, _, port = house.registry.host.partition(":")
    noise = random.Random(4)
    headers = [b"Basic " + base64.b64encode(b"e\x1b[2Jve\n\x00:x"), b"Basic " + base64.b64encode(b"\xff\xfe:x")]
    headers += [kind + noise.randbytes(60).translate(None, b"\r\n\0") for kind in (b"Basic ", b"Bearer ", b"") * 20]
    for header in headers:
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"GET /v2/team/a/tags/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
        writer.write(head + header + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        assert re.match(rb"HTTP/1\.[01] 4(00|01|29) ", answer), (header, answer)
    said = await asyncio.to_thread(house.registry.log.read_text)
    assert "\x1b" not in said
    assert "Traceback" not in said


async def test_a_user_asks_so_often(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    limits = {"rate_user": 1, "rate_burst": 5}
    async with pier_registry(tmp_path, **limits) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        seen = []
        for who in ["bob"] * 40 + ["cat"]:
            async with http.get("/v2/", headers=basic(who)) as answer:
                seen.append(answer.status)
        assert (seen[0], seen[-1]) == (200, 200) and 429 in seen


async def test_forged_tokens(house: House) -> None:
    good = (await house.token("root", "repository:team/a:pull"))["token"]
    claims = jwt.decode(good, options={"verify_signature": False})
    body = good.split(".")[1]
    none = jwt.encode(claims, None, algorithm="none")
    other_key = jwt.encode(claims, b"k" * 32, algorithm="HS256")
    for forged in (none, other_key, f"{none.split('.')[0]}.{body}.{good.split('.')[2]}", good[:-2]):
        assert await house.with_token("GET", "/v2/team/a/manifests/1", forged) == (401, ["UNAUTHORIZED"])
    records = await open_records(house.database)
    key = await records.setting("token-key")
    await records.stop()
    assert key is not None
    path = "/v2/team/a/manifests/1"
    changes: list[Json] = [{"aud": "another"}, {"exp": 1}, {"iss": "x"}, {"sub": "cat"}, {"sub": "gone"}, {"mark": ""}]
    for change in changes:
        forged = jwt.encode({**claims, **change}, key, algorithm="HS256")
        assert await house.with_token("GET", path, forged) == (401, ["UNAUTHORIZED"])
    assert await house.with_token("GET", path, jwt.encode(claims, key, algorithm="HS256")) == (200, [])
    assert Tokens(key, "pier-registry").read_access(good).name == "root"


async def test_robots(house: House) -> None:
    auth = basic(ROBOT, house.robot)
    await push(house.http, "team/built", auth)
    async with house.http.post("/v2/site/a/blobs/uploads/", headers=auth) as answer:
        assert answer.status == 403
    records = await open_records(house.database)
    await accounts.change_user(records, ROBOT, expires=1)
    await records.stop()
    await eventually(lambda: gives(house.http, "/v2/team/built/manifests/1", auth, 401))


async def test_two_instances_take_each_others_tokens(tmp_path: Path) -> None:
    with postgres() as server:
        await settle(server.url)
        shared = {"database": server.url, "storage": f"file://{tmp_path}/blobs"}
        async with (
            pier_registry(tmp_path / "one", **shared) as one,
            pier_registry(tmp_path / "two", **shared) as two,
            aiohttp.ClientSession(f"http://{one.host}") as first,
            aiohttp.ClientSession(f"http://{two.host}") as second,
        ):
            await push(first, "team/a", basic("bob"))
            for here, there in ((first, second), (second, first)):
                bob = basic("bob")
                async with here.get("/token?scope=repository:team/a:pull", headers=bob) as answer:
                    token = (await answer.json())["token"]
                headers = {"Authorization": f"Bearer {token}"}
                async with there.get("/v2/team/a/manifests/1", headers=headers) as answer:
                    assert answer.status == 200


async def test_a_file_of_users_is_read_again(tmp_path: Path) -> None:
    def line(name: str, word: bytes) -> str:
        return f"{name}:{bcrypt.hashpw(word, bcrypt.gensalt(5)).decode()}\n"

    file = tmp_path / "users"
    file.write_text(line("ann", b"one"))
    settings: Json = {"htpasswd": file, "default_role": "writer", "admins": ["zoe"]}
    async with (
        pier_registry(tmp_path, **settings) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):

        async def becomes(name: str, word: str, status: int) -> None:
            await eventually(lambda: gives(http, "/v2/_catalog", basic(name, word), status))

        await push(http, "team/a", basic("ann", "one"))
        file.write_text(line("ann", b"two") + line("zoe", b"three"))
        await becomes("ann", "two", 200)
        await becomes("ann", "one", 401)
        await becomes("zoe", "three", 200)
        file.write_text("ann:plain\n")
        async with http.get("/v2/", headers=basic("ann", "two")) as answer:
            assert answer.status == 200


async def test_too_many_requests(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    limits = {"rate_address": 1, "rate_burst": 5}
    async with pier_registry(tmp_path, **limits) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        seen: list[tuple[object, ...]] = []
        while (429, "TOOMANYREQUESTS") not in seen:
            async with http.get("/v2/") as answer:
                seen.append((answer.status, *await codes(answer)))
        assert len(seen) > 5 and set(seen[:-1]) == {(401, "UNAUTHORIZED")}
        assert int(answer.headers["Retry-After"]) >= 1


async def test_guessing_passwords_becomes_slow(house: House) -> None:
    async with asyncio.timeout(60):
        while True:
            async with house.http.get("/token", headers=basic("bob", "guess")) as answer:
                if answer.status == 429:
                    break
                assert answer.status == 401
    assert int(answer.headers["Retry-After"]) >= 1
    async with house.http.get("/v2/team/a/manifests/1", headers=basic("root")) as answer:
        assert answer.status == 200  # was let in before: nothing is guessed


async def test_an_empty_registry_is_open_on_loopback_until_there_is_somebody(tmp_path: Path) -> None:
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        await push(http, "team/a", basic("whoever", "whatever"))
        await settle(f"sqlite://{registry.root}/registry.db")
        await eventually(lambda: gives(http, "/v2/team/a/manifests/1", {}, 401))


@pytest.mark.parametrize(
    ("people", "words", "expected"),
    [
        (False, [], "refusing to listen on 0.0.0.0:0 without users"),
        (False, ["--trusted-proxies=10.0.0.0/8"], "without users"),
        (True, [], "refusing to listen on 0.0.0.0:0 without TLS"),
    ],
)
async def test_others_are_kept_out_of_a_registry_that_is_not_safe(
    people: bool, words: list[str], expected: str, tmp_path: Path
) -> None:
    if people:
        await settle(f"sqlite://{tmp_path}/registry.db")
    argv = [sys.executable, "-m", "pier.daemon.registry", "serve", f"--root={tmp_path}", "--listen=0.0.0.0:0", *words]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert expected in done.stderr
    assert "--open" in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "[::1]:http"])
async def test_addresses_that_are_none(address: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pier.daemon.registry", "serve", f"--root={tmp_path}", f"--listen={address}"]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=30)
    expected = f"pier registry: invalid address to listen on ({address}): expected HOST:PORT\n"
    assert (done.returncode, done.stderr) == (1, expected)


async def test_nothing_secret_is_logged(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    async with pier_registry(tmp_path, log_level="debug") as registry:
        async with aiohttp.ClientSession(f"http://{registry.host}") as http:
            bob = basic("bob")
            await push(http, "team/a", bob)
            async with http.get("/token?offline_token=true&scope=repository:team/a:pull", headers=bob) as answer:
                given = await answer.json()
            form = {"grant_type": "password", "username": "bob", "password": "wrong-Pa55"}
            async with http.post("/token", data=form) as answer:
                assert answer.status == 401
        arguments = await asyncio.to_thread(Path(f"/proc/{registry.child.pid}/cmdline").read_text)
    said = await asyncio.to_thread(registry.log.read_text)
    assert "team/a/manifests/1" in said
    for secret in (password("bob"), "wrong-Pa55", given["token"], given["refresh_token"], "$2b$"):
        assert secret not in said
        assert secret not in arguments
    assert not re.search(r"eyJ[A-Za-z0-9_-]{20,}", said)
