"""What ``docker pull`` and ``docker push`` print when the registry is not there or says no: Docker's own words.

Proven on a Docker, whose resolver also says which server it asked ("on 10.0.0.1:53").
"""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pier.linux import process
from pier.testing.engine import running_engine
from pier.testing.faulty_registry import Fault, FaultyRegistry, faulty_registry, hang, say
from tests.compat.docker_cli import Docker

MANIFESTS, ANYTHING, TOKEN = r"/v2/.*/manifests/", r" /v2/", r"/token"
BASIC = {"WWW-Authenticate": 'Basic realm="x"'}
DENIED = (
    "pull access denied for REG/team/app, repository does not exist or may require 'docker login': "
    "denied: requested access to the resource is denied"
)
Rules = Sequence[tuple[str, Fault]]


def body(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Fault:
    """An error as registries send it: with details, without which Docker leaves the message out."""
    text = json.dumps({"errors": [{"code": code, "message": message, "detail": {"name": "team/app"}}]})
    return say(status, text, {"Content-Type": "application/json", **(headers or {})})


def answer(value: object, status: int = 200) -> Fault:
    return say(status, json.dumps(value), {"Content-Type": "application/json"})


def bearer(more: str = "") -> Fault:
    """A challenge; REALM is replaced by where the token server is."""
    return body(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": f"Bearer REALM{more}"})


HEAD = 'Head "http://REG/v2/team/app/manifests/1": '
NOT_FOUND = "manifest for REG/team/app:1 not found: manifest unknown: manifest unknown"
GONE = "repository REG/team/app not found: name unknown: repository name not known to registry"
REFUSALS: dict[str, tuple[Rules, str]] = {
    "basic, nobody": ([(ANYTHING, say(401, "", BASIC))], HEAD + "no basic auth credentials"),
    "token refused": (
        [(TOKEN, body(401, "UNAUTHORIZED", "incorrect username or password")), (ANYTHING, bearer())],
        HEAD + "unauthorized: incorrect username or password",
    ),
    "no token": (
        [(TOKEN, answer({})), (ANYTHING, bearer())],
        HEAD + "authorization server did not include a token in the response",
    ),
    "token never good": (
        [(TOKEN, answer({"token": "t"})), (ANYTHING, bearer())],
        "unauthorized: authentication required",
    ),
    "out of scope": ([(TOKEN, answer({"token": "t"})), (ANYTHING, bearer(',error="insufficient_scope"'))], DENIED),
    "403": ([(MANIFESTS, body(403, "DENIED", "requested access to the resource is denied"))], DENIED),
    "403 of a page": (
        [(MANIFESTS, say(403, "no"))],
        DENIED.removesuffix("requested access to the resource is denied") + "no",
    ),
    "404": ([(MANIFESTS, body(404, "MANIFEST_UNKNOWN", "manifest unknown"))], NOT_FOUND),
    "404 of the name": ([(MANIFESTS, body(404, "NAME_UNKNOWN", "repository name not known to registry"))], GONE),
    "400": ([(MANIFESTS, body(400, "NAME_INVALID", "invalid name"))], "name invalid: invalid name"),
    "429": ([(MANIFESTS, body(429, "TOOMANYREQUESTS", "slow down"))], "toomanyrequests: slow down"),
    "429 of a page": ([(MANIFESTS, say(429, "slow"))], "toomanyrequests: slow"),
    "500": ([(MANIFESTS, say(500))], "received unexpected HTTP status: 500 Internal Server Error"),
    "500, unknown": (
        [(MANIFESTS, body(500, "UNKNOWN", "unknown error"))],
        "received unexpected HTTP status: 500 Internal Server Error",
    ),
}


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as running:
        yield running


async def said(cli: Docker, *args: str) -> str:
    """The error that the command ends with; the registry is served meanwhile."""
    return (await asyncio.to_thread(cli.fails, *args)).splitlines()[-1].removeprefix("Error response from daemon: ")


@pytest.mark.parametrize("case", REFUSALS)
async def test_refusals(cli: Docker, registry: FaultyRegistry, case: str) -> None:
    rules, expected = REFUSALS[case]
    realm = f'realm="http://{registry.host}/token",service="s"'

    def placed(fault: Fault) -> Fault:
        async def answered(of: FaultyRegistry, request: Any) -> Any:
            reply = await fault(of, request)
            for name, value in list(reply.headers.items()):
                reply.headers[name] = value.replace("REALM", realm)
            return reply

        return answered

    for pattern, fault in rules:
        registry.misbehave(pattern, placed(fault))
    told = await said(cli, "pull", f"{registry.host}/team/app:1")
    assert told.replace(registry.host, "REG") == expected


async def test_a_push_by_nobody(cli: Docker, registry: FaultyRegistry) -> None:
    """Docker leaves out whom it asked."""
    registry.misbehave(ANYTHING, say(401, "", BASIC))
    image = f"{registry.host}/team/app:1"
    cli("tag", "testbox", image)
    assert await said(cli, "push", image) == "no basic auth credentials"
    cli("rmi", image)


def outward() -> str:
    """An address of this host that is not loopback: there TLS is asked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


async def unknown_authority(folder: Path, address: str) -> ssl.SSLContext:
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    name = ["-subj", "/CN=x", "-addext", f"subjectAltName=IP:{address}"]
    await process.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, "-days", "2", *name])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


async def test_nobody_there(cli: Docker) -> None:
    address = outward()
    for host, scheme, reason in (
        ("127.0.0.1:9", "http", "dial tcp 127.0.0.1:9: connect: connection refused"),
        (f"{address}:9", "https", f"dial tcp {address}:9: connect: connection refused"),
        ("nowhere.invalid", "https", "dial tcp: lookup nowhere.invalid: no such host"),
    ):
        for verb in ("pull", "push"):
            if verb == "push":
                cli("tag", "testbox", f"{host}/x:1")
            told = re.sub(r" on [0-9a-f.:\[\]]+:53:", ":", await said(cli, verb, f"{host}/x:1"))
            assert told == f'Get "{scheme}://{host}/v2/": {reason}'
        cli("rmi", f"{host}/x:1")


async def test_no_tls(cli: Docker, tmp_path: Path) -> None:
    address = outward()

    def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    tls = await asyncio.start_server(gone, address, 0, ssl=await unknown_authority(tmp_path, address))
    async with faulty_registry(address) as plain, tls:
        port = tls.sockets[0].getsockname()[1]
        for host, reason in (
            (f"{address}:{port}", "tls: failed to verify certificate: x509: certificate signed by unknown authority"),
            (plain.host, "http: server gave HTTP response to HTTPS client"),
        ):
            assert await said(cli, "pull", f"{host}/x:1") == f'Get "https://{host}/v2/": {reason}'


async def test_silence(cli: Docker, registry: FaultyRegistry) -> None:
    registry.misbehave(ANYTHING, hang)
    told = await said(cli, "pull", f"{registry.host}/x:1")
    assert told.startswith(f'Get "http://{registry.host}/v2/": ') and "context deadline exceeded" in told


async def test_a_dead_proxy(session_cli: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's words, noted from one that was started with such a proxy."""
    for proxy, reason in (
        ("http://127.0.0.1:9", "proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused"),
        ("http://nowhere.invalid:3128", "proxyconnect tcp: dial tcp: lookup nowhere.invalid: no such host"),
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        folder = tmp_path / proxy.rpartition(":")[2]
        folder.mkdir()
        with running_engine(folder) as engine:
            cli = Docker("docker", engine.host, folder, session_cli.label)
            assert await said(cli, "pull", "r.example.com/x:1") == f'Get "https://r.example.com/v2/": {reason}'
