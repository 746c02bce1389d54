"""Every JSON answer has the shape that the API's description promises: types, required members, no strangers."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.compat.api_schema import complaints
from tests.compat.conftest import IMAGE, Engine
from tests.compat.docker_cli import Docker


class Api:
    """The engine's HTTP interface, without a version in the path: the newest."""

    def __init__(self, host: str) -> None:
        self._path = host.removeprefix("unix://")

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request; the decoded answer, and a list where the answer is a stream of messages."""
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self._path)
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        lines = [line for line in text.split("\r\n") if line.strip()]
        return response.status, [json.loads(line) for line in lines] if len(lines) > 1 else json.loads(text or "null")


@pytest.fixture
def api(engine: Engine) -> Api:
    return Api(engine.host)


@pytest.fixture
def running(cli: Docker, name: str) -> Iterator[str]:
    """A container that uses what there is to use: limits, mounts, ports, a health check, labels, a terminal."""
    options = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "--ulimit", "nofile=64", "--shm-size", "8m"]
    options += ["--tmpfs", "/scratch", "-v", f"{name}:/data", "-p", "127.0.0.1::80", "-e", "A=b", "--label", "a=b"]
    options += ["--cap-add", "NET_ADMIN", "--add-host", "a:1.2.3.4", "--dns", "1.1.1.1", "--restart", "on-failure:3"]
    options += ["--device", "/dev/null:/dev/nil", "--sysctl", "net.ipv4.ip_unprivileged_port_start=0", "-it"]
    cli("run", "-d", "--name", name, *options, IMAGE, "sleep", "1000")
    yield name
    cli("rm", "-f", name)
    cli("volume", "rm", "-f", name)


def check(api: Api, operation: str, path: str, body: object = None, status: int = 200) -> Any:
    method = operation.partition(" ")[0]
    got, answer = api(method, path, body)
    assert got == status, answer
    assert complaints(operation, status, answer) == []
    return answer


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("GET /version", "/version"),
        ("GET /info", "/info"),
        ("GET /images/json", "/images/json?all=1&shared-size=1"),
        ("GET /networks", "/networks"),
        ("GET /networks/{id}", "/networks/bridge"),
        ("GET /networks/{id}", "/networks/host"),
        ("GET /images/{name}/json", f"/images/{IMAGE}/json"),
        ("GET /images/{name}/history", f"/images/{IMAGE}/history"),
        ("POST /containers/prune", "/containers/prune?filters=" + quote('{"label":["nobody has this"]}')),
        ("POST /images/prune", "/images/prune?filters=" + quote('{"label":["nobody has this"]}')),
        ("POST /volumes/prune", "/volumes/prune?filters=" + quote('{"label":["nobody has this"]}')),
        ("POST /networks/prune", "/networks/prune?filters=" + quote('{"label":["nobody has this"]}')),
        ("POST /build/prune", "/build/prune"),
    ],
)
def test_answers_about_the_engine(api: Api, cli: Docker, operation: str, path: str) -> None:
    check(api, operation, path)


def test_containers(api: Api, running: str) -> None:
    listed = check(api, "GET /containers/json", "/containers/json?all=1&size=1")
    assert any(f"/{running}" in each["Names"] for each in listed)
    shown = check(api, "GET /containers/{id}/json", f"/containers/{running}/json?size=1")
    assert shown["HostConfig"]["Memory"] == 64 << 20
    check(api, "GET /containers/{id}/top", f"/containers/{running}/top")
    check(api, "GET /containers/{id}/stats", f"/containers/{running}/stats?stream=false&one-shot=true")
    check(api, "GET /networks/{id}", "/networks/bridge")
    api("PUT", f"/containers/{running}/archive?path=/")
    check(api, "GET /containers/{id}/changes", f"/containers/{running}/changes")
    check(api, "POST /containers/{id}/update", f"/containers/{running}/update", {"Memory": 32 << 20, "MemorySwap": -1})
    check(api, "GET /system/df", "/system/df")


@pytest.mark.parametrize(
    "options", [["--network", "none"], ["--network", "host"], ["--rm", "--privileged"], ["--init"]]
)
def test_containers_of_other_kinds(api: Api, cli: Docker, name: str, options: list[str]) -> None:
    cli("create", "--name", name, *options, IMAGE, "true")
    check(api, "GET /containers/{id}/json", f"/containers/{name}/json")
    check(api, "GET /containers/json", "/containers/json?all=1")


def test_a_container_that_has_ended(api: Api, cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "sh", "-c", "exit 3", code=3)
    shown = check(api, "GET /containers/{id}/json", f"/containers/{name}/json")
    assert shown["State"]["ExitCode"] == 3
    check(api, "POST /containers/{id}/wait", f"/containers/{name}/wait")


def test_creating_and_executing(api: Api, cli: Docker, name: str) -> None:
    body = {"Image": IMAGE, "Cmd": ["sleep", "1000"], "Labels": dict([cli.label.split("=")])}
    check(api, "POST /containers/create", f"/containers/create?name={name}", body, 201)
    assert api("POST", f"/containers/{name}/start")[0] == 204
    made = check(api, "POST /containers/{id}/exec", f"/containers/{name}/exec", {"Cmd": ["true"]}, 201)
    assert api("GET", f"/exec/{made['Id']}/json")[1]["ExitCode"] is None  # the description does not say so
    assert api("POST", f"/exec/{made['Id']}/start", {"Detach": False})[0] == 200
    check(api, "GET /exec/{id}/json", f"/exec/{made['Id']}/json")
    done = check(api, "POST /commit", f"/commit?container={name}&repo={name}", status=201)
    check(api, "GET /images/{name}/json", f"/images/{done['Id']}/json")
    check(api, "DELETE /images/{name}", f"/images/{name}")


def test_volumes(api: Api, name: str) -> None:
    check(api, "POST /volumes/create", "/volumes/create", {"Name": name, "Labels": {"a": "b"}}, 201)
    check(api, "GET /volumes/{name}", f"/volumes/{name}")
    check(api, "GET /volumes", "/volumes")
    check(api, "GET /system/df", "/system/df?type=volume")
    assert api("DELETE", f"/volumes/{name}")[0] == 204


def test_events(api: Api, cli: Docker, name: str) -> None:
    cli("create", "--name", name, IMAGE, "true")
    cli("rm", name)
    filters = quote(json.dumps({"container": [name]}))
    _, events = api("GET", f"/events?since=1&until={int(time.time()) + 1}&filters={filters}")
    assert [each["Action"] for each in events] == ["create", "destroy"]
    assert [complaints("GET /events", 200, each, frozenset({"$.status", "$.id", "$.from"})) for each in events] == [
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("operation", "path", "status"),
    [
        ("GET /containers/{id}/json", "/containers/nope/json", 404),
        ("GET /images/{name}/json", "/images/nope/json", 404),
        ("GET /volumes/{name}", "/volumes/nope", 404),
        ("GET /networks/{id}", "/networks/nope", 404),
        ("GET /exec/{id}/json", "/exec/nope/json", 404),
        ("POST /containers/{id}/start", "/containers/nope/start", 404),
        ("DELETE /containers/{id}", "/containers/nope", 404),
        ("POST /containers/create", "/containers/create", 400),
    ],
)
def test_errors(api: Api, operation: str, path: str, status: int) -> None:
    check(api, operation, path, None if status == 404 else {"Image": ""}, status)
