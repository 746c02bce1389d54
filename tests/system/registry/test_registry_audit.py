"""What the audit log says of pushes, pulls, deletions and refusals."""

import asyncio
import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.waiting import eventually

CONFIG = {"mediaType": mediatypes.OCI_CONFIG, "digest": sha256(b"{}"), "size": 2}
IMAGE = json.dumps({"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": CONFIG, "layers": []}).encode()


def basic(name: str, word: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{word or password(name)}".encode()).decode()}


async def act(registry: PierRegistry) -> None:
    """A push, a pull and a deletion, and what is refused."""
    async with aiohttp.ClientSession(f"http://{registry.host}") as http:
        root = basic("root")
        async with http.post(f"/v2/team/a/blobs/uploads/?digest={sha256(b'{}')}", data=b"{}", headers=root) as answer:
            assert answer.status == 201
        headers = {"Content-Type": mediatypes.OCI_MANIFEST, **root}
        async with http.put("/v2/team/a/manifests/1", data=IMAGE, headers=headers) as answer:
            assert answer.status == 201
        for method, path, given, status in (
            ("GET", "/v2/team/a/manifests/1", basic("cat"), 200),
            ("HEAD", "/v2/team/a/manifests/1", basic("cat"), 200),
            ("GET", "/v2/team/a/manifests/1", {}, 401),
            ("GET", "/v2/team/a/manifests/2", basic("cat"), 404),
            ("POST", "/v2/team/a/blobs/uploads/", basic("cat"), 403),
            ("GET", "/v2/team/a/manifests/1", basic("cat", "wrong"), 401),
            ("DELETE", "/v2/team/a/manifests/1", root, 202),
        ):
            async with http.request(method, path, headers=given) as answer:
                assert (answer.status, path) == (status, path)


async def test_a_line_for_each(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    file = tmp_path / "audit.log"
    async with pier_registry(tmp_path, audit_log=file) as registry:
        await act(registry)
    text = await asyncio.to_thread(file.read_text)
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    digest = sha256(IMAGE)
    assert [(each["event"], each["who"], each["result"], each.get("digest", "")) for each in lines] == [
        ("login", "root", "ok", ""),
        ("push", "root", "ok", digest),
        ("login", "cat", "ok", ""),
        ("pull", "cat", "ok", digest),
        ("pull", "cat", "404", ""),
        ("push", "cat", "DENIED", ""),
        ("login", "cat", "UNAUTHORIZED", ""),
        ("pull", "cat", "UNAUTHORIZED", ""),
        ("delete", "root", "ok", digest),
    ]
    assert {each["address"] for each in lines} == {"127.0.0.1"}
    assert (lines[-1]["repository"], lines[-1]["tag"]) == ("team/a", "1")
    assert not any(secret in text for secret in (password("root"), password("cat"), "wrong", "Basic"))
    assert os.stat(file).st_mode & 0o007 == 0


async def test_the_access_log_has_each_request_but_those_of_monitoring(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    paths = ["/v2/", "/token", "/api/v1/users", "/v1/search", "/healthz", "/readyz", "/metrics", "/nowhere"]
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        for path in paths:
            async with http.get(path, headers=basic("root")) as answer:
                assert answer.status == (404 if path == "/nowhere" else 200)
    text = await asyncio.to_thread(registry.log.read_text)
    lines = [line.split() for line in text.splitlines() if "msg=request" in line]
    logged = {line[4].removeprefix("path="): next(word for word in line if word.startswith("user=")) for line in lines}
    assert list(logged) == ["/v2/", "/token", "/api/v1/users", "/v1/search", "/nowhere"]
    assert {logged[path] for path in ("/v2/", "/api/v1/users", "/v1/search")} == {"user=root"}


async def test_as_lines_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    async with pier_registry(tmp_path, audit_log="-") as registry:
        await act(registry)
    said = await asyncio.to_thread(registry.log.read_text)
    assert (
        f"msg=audit event=delete who=root address=127.0.0.1 result=ok repository=team/a tag=1 digest={sha256(IMAGE)}"
        in said
    )


async def test_a_file_that_was_moved_away(tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    file = tmp_path / "audit.log"
    async with pier_registry(tmp_path, audit_log=file) as registry:
        await act(registry)
        file.rename(tmp_path / "audit.log.1")
        registry.child.send_signal(signal.SIGHUP)
        await eventually(lambda: asyncio.to_thread(file.exists))
        await act(registry)
    assert '"event": "delete"' in await asyncio.to_thread(file.read_text)


@pytest.mark.parametrize(
    ("limit", "name", "first"), [({"failed_logins": 3}, "cat", 401), ({"rate_address": 1, "rate_burst": 3}, "", 200)]
)
async def test_logins_that_come_too_often(limit: dict[str, int], name: str, first: int, tmp_path: Path) -> None:
    """The first of an address that is turned away is a line; how many came after it is another."""
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    file = tmp_path / "audit.log"
    async with (
        pier_registry(tmp_path, audit_log=file, trusted_proxies=["127.0.0.0/8"], **limit) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        seen = []
        for address in ("192.0.2.1", "192.0.2.2"):
            for number in range(30):
                headers = {**(basic(name, f"wrong{number}") if name else {}), "X-Forwarded-For": address}
                async with http.get("/token", headers=headers) as answer:
                    seen.append(answer.status)
            assert set(seen) == {first, 429} and seen[-30:].count(429) >= 3
    lines = [json.loads(line) for line in (await asyncio.to_thread(file.read_text)).splitlines()]
    assert {(each["event"], each.get("who", "")) for each in lines} == {("login", name)}
    for address in ("192.0.2.1", "192.0.2.2"):
        for result, status in (("TOOMANYREQUESTS", 429), ("UNAUTHORIZED", 401)):
            found = [each.get("times", 1) for each in lines if (each["address"], each["result"]) == (address, result)]
            assert 2 * sum(found) == seen.count(status)
            assert len(found) <= 2


async def test_a_flood_of_refusals(tmp_path: Path) -> None:
    """What every client begins with is no refusal; what is one is told once, and then counted."""
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    file = tmp_path / "audit.log"
    async with (
        pier_registry(tmp_path, audit_log=file, access_log=False) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        for path in ("/v2/", "/v2/team/a/manifests/1", "/token?scope=repository:team/a:pull"):
            for _ in range(50):
                async with http.get(path) as answer:
                    assert answer.status in (200, 401)
        assert not file.read_text()
        for number in range(50):
            async with http.get(f"/v2/team/a/manifests/{number}", headers=basic("eve")) as answer:
                assert answer.status == 403
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["event"], each["who"], each["result"], each.get("tag"), each.get("times")) for each in lines] == [
        ("login", "eve", "ok", None, None),
        ("pull", "eve", "DENIED", "0", None),
        ("pull", "eve", "DENIED", "0", 49),
    ]
