"""``POST /build``: what is left of its archive, of a build that is cancelled, and of one whose client goes away."""

import http.client
import io
import json
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pier.testing.engine import RunningEngine, running_engine
from tests.compat.docker_cli import eventually
from tests.compat.rootfs import busybox_rootfs

SLEEPING = "FROM testbox\nRUN echo begun; sleep 100\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, host: str) -> None:
        super().__init__("engine", timeout=60)
        self._path = host.removeprefix("unix://")

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with running_engine(tmp_path_factory.mktemp("classic")) as running:
        running.import_image(busybox_rootfs(), "testbox")
        yield running


def post(engine: RunningEngine, path: str, body: bytes = b"") -> http.client.HTTPResponse:
    connection = UnixConnection(engine.host)
    connection.request("POST", path, body, {"Content-Type": "application/x-tar", "Connection": "close"})
    return connection.getresponse()


def archive(dockerfile: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
    return made.getvalue()


def messages(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.strip():
            yield json.loads(line)


def begun(engine: RunningEngine, query: str) -> tuple[http.client.HTTPResponse, Iterator[dict[str, Any]]]:
    """A build whose step sleeps."""
    response = post(engine, f"/build?{query}", archive(SLEEPING))
    told = messages(response)
    assert any(message.get("stream") == "begun\n" for message in told)
    return response, told


def archives(engine: RunningEngine) -> list[Path]:
    return list(engine.root.glob("tmp/classic-*"))


def test_a_build_can_be_cancelled_by_its_id(engine: RunningEngine) -> None:
    _, told = begun(engine, "buildid=one")
    assert archives(engine)
    assert post(engine, "/build/cancel?id=one").status == 200
    assert list(told)[-1] == {"errorDetail": {"message": "context canceled"}, "error": "context canceled"}
    eventually(lambda: not archives(engine))


def test_a_build_ends_with_its_client(engine: RunningEngine) -> None:
    response, _ = begun(engine, "buildid=two")
    assert archives(engine)
    response.close()
    eventually(lambda: not archives(engine))


def test_what_is_no_archive_leaves_nothing(engine: RunningEngine) -> None:
    response = post(engine, "/build", b"hello")
    assert (response.status, json.loads(response.read())) == (400, {"message": "unexpected EOF"})
    assert archives(engine) == []
