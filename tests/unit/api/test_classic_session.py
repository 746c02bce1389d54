"""What builds may ask of clients of ``POST /build``."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from multidict import MultiDict

from pier.api.call import Call
from pier.api.classic.request import read_request
from pier.api.classic.session import ClassicSession
from pier.build.request import Limits, Ulimit
from pier.errors import InvalidArgument, NotFound, Unsupported


@dataclass
class Body:
    """A request's body in pieces."""

    pieces: list[bytes] = field(default_factory=list)

    async def iter_any(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def call(
    tmp: Path, query: Mapping[str, str] | None = None, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Call:
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    request = SimpleNamespace(query=MultiDict(query or {}), headers=headers or {}, content=Body(pieces))
    services = SimpleNamespace(images=SimpleNamespace(tmp=tmp))
    return Call(cast(Any, request), cast(Any, services), (1, 45), {}, lambda function: None)


def credentials(configs: dict[str, Any]) -> dict[str, str]:
    return {"X-Registry-Config": base64.urlsafe_b64encode(json.dumps(configs).encode()).decode()}


async def test_there_is_one_archive_and_nothing_else(tmp_path: Path) -> None:
    session = ClassicSession(call(tmp_path, body=b"hello"))
    assert b"".join([chunk async for chunk in session.upload("context")]) == b"hello"
    with pytest.raises(NotFound):
        [chunk async for chunk in session.upload("context")]
    with pytest.raises(NotFound):
        async with session.folder("other", (), ()):
            pass
    with pytest.raises(NotFound):
        session.ssh("default")
    assert await session.secret("a") is None
    await session.close()


async def test_credentials_by_registry(tmp_path: Path) -> None:
    configs = {
        "https://index.docker.io/v1/": {"username": "me", "password": "secret"},
        "localhost:5000": {"identitytoken": "token"},
        "empty": {},
    }
    session = ClassicSession(call(tmp_path, headers=credentials(configs)))
    hub, local = await session.credentials("docker.io"), await session.credentials("localhost:5000")
    assert hub and (hub.username, hub.password) == ("me", "secret")
    assert local and local.identity_token == "token"
    assert await session.credentials("empty") is None
    assert await session.credentials("elsewhere") is None


def test_the_query(tmp_path: Path) -> None:
    query = {
        "buildid": "1",
        "t": "me/x",
        "dockerfile": "sub/Dockerfile",
        "nocache": "1",
        "pull": "true",
        "target": "one",
        "buildargs": '{"a":"b","c":null}',
        "labels": '{"l":"m"}',
        "networkmode": "host",
        "memory": "8000000",
        "cpusetcpus": "0-1",
        "shmsize": "100",
        "ulimits": '[{"Name":"nofile","Soft":1,"Hard":2}]',
        "extrahosts": '["a:1.2.3.4"]',
        "platform": "linux/arm64",
        "squash": "1",
        "cachefrom": '["x"]',
        "rm": "1",
    }
    request = read_request(call(tmp_path, query))
    assert (request.id, request.context, request.dockerfile) == ("1", "upload:context", "sub/Dockerfile")
    assert request.tags == ("me/x:latest",)
    assert (request.build_args, request.labels, request.target) == ({"a": "b"}, {"l": "m"}, "one")
    assert (request.no_cache, request.pull, request.squash) == (True, True, True)
    assert (request.network, request.entitlements) == ("host", ("network.host",))
    assert request.limits == Limits(memory=8000000, cpuset_cpus="0-1", shm_size=100, ulimits=(Ulimit("nofile", 1, 2),))
    assert (request.extra_hosts, request.platforms) == (("a:1.2.3.4",), ("linux/arm64",))


REFUSED: list[tuple[dict[str, str], type[Exception], str]] = [
    ({"version": "2"}, Unsupported, "use /grpc, as buildx does"),
    ({"version": "3"}, InvalidArgument, 'invalid version "3"'),
    ({"remote": "client-session"}, Unsupported, "use /grpc"),
    ({"labels": "x"}, InvalidArgument, "error reading labels: invalid character 'x' looking for beginning of value"),
    ({"labels": "[]"}, InvalidArgument, "error reading labels: json: cannot unmarshal"),
    ({"ulimits": "[1]"}, InvalidArgument, "error reading ulimit settings"),
    ({"cachefrom": "x"}, InvalidArgument, "error reading cache-from"),
    ({"shmsize": "-1"}, InvalidArgument, "SHM size can not be less than 0"),
    ({"memory": "1"}, InvalidArgument, "Minimum memory limit allowed is 6MB"),
    ({"networkmode": "mine"}, Unsupported, 'network mode "mine" is not supported for builds'),
    ({"t": "x@sha256:" + "a" * 64}, InvalidArgument, "build tag cannot contain a digest"),
    ({"outputs": '[{"Type":"tar"}]'}, Unsupported, "outputs are not supported by POST /build"),
]


@pytest.mark.parametrize(("query", "kind", "words"), REFUSED)
def test_queries_that_are_refused(tmp_path: Path, query: dict[str, str], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words.replace("[", r"\[")):
        read_request(call(tmp_path, query))
