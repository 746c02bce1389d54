"""A client against a scripted daemon: versions, refusals, queries, connections."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pier.client import containers
from pier.client.endpoint import Endpoint
from pier.client.failures import Answer, Missing
from pier.client.session import Client, query_string, quote
from pier.errors import Conflict, Forbidden, Internal, InvalidArgument, NotFound, PierError, Unavailable, Unsupported

Reply = Callable[[str, bytes], bytes]


class Daemon:
    """Answers each request by ``reply(request line, body)``; keeps the requests."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.requests: list[tuple[str, bytes]] = []
        self.connections = 0
        self.reply: Reply = lambda line, body: ok(b"{}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while line := file.readline().decode().strip():
                size = 0
                while header := file.readline().strip():
                    name, _, value = header.decode().partition(":")
                    size = int(value) if name.lower() == "content-length" else size
                body = file.read(size)
                self.requests.append((line, body))
                answer = self.reply(line, body)
                connection.sendall(answer)
                if not answer:
                    return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def ok(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status.encode(),
        len(body),
        body,
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "d.sock")
    yield made
    made.close()


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with Client(Endpoint(daemon.host), "1.51") as made:
        yield made


def test_one_connection_carries_all_calls(daemon: Daemon, client: Client) -> None:
    client.call("GET", "/a")
    client.call("POST", "/b", {"x": "y z"}, {"k": [1]})
    assert [line for line, _ in daemon.requests] == ["GET /v1.51/a HTTP/1.1", "POST /v1.51/b?x=y%20z HTTP/1.1"]
    assert daemon.requests[1][1] == b'{"k":[1]}'
    assert daemon.connections == 1


def test_an_older_daemon_names_its_version(daemon: Daemon, client: Client) -> None:
    def reply(line: str, body: bytes) -> bytes:
        if "/v1.45/" in line:
            return ok(b'{"fine":true}')
        text = b'{"message":"client version 1.51 is too new. Maximum supported API version is 1.45"}'
        return ok(text, "400 Bad Request")

    daemon.reply = reply
    assert client.call("GET", "/a") == {"fine": True}
    assert client.call("GET", "/b") == {"fine": True}
    assert len(daemon.requests) == 3


def test_a_refusal_without_a_body_is_asked_about(daemon: Daemon, client: Client) -> None:
    def reply(line: str, body: bytes) -> bytes:
        if "_ping" in line:
            return b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\n\r\n"
        return b"HTTP/1.1 %b\r\n\r\n" % (b"200 OK" if "/v1.45/" in line else b"400 Bad Request")

    daemon.reply = reply
    assert client.head("/x") == {}
    assert client.version == "1.45"


def test_a_version_that_never_fits_is_an_error(daemon: Daemon, client: Client) -> None:
    text = b'{"message":"client version 1.51 is too new. Maximum supported API version is 1.51"}'
    daemon.reply = lambda line, body: ok(text, "400 Bad Request")
    with pytest.raises(InvalidArgument):
        client.call("GET", "/a")
    assert len(daemon.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", InvalidArgument),
        ("403 Forbidden", Forbidden),
        ("404 Not Found", NotFound),
        ("409 Conflict", Conflict),
        ("500 Internal Server Error", Internal),
        ("501 Not Implemented", Unsupported),
        ("503 Service Unavailable", Unavailable),
        ("418 Teapot", Internal),
    ],
)
def test_statuses_are_kinds(daemon: Daemon, client: Client, status: str, kind: type[PierError]) -> None:
    daemon.reply = lambda line, body: ok(b'{"message":"  because\\n"}', status)
    with pytest.raises(kind, match=r"^because$") as caught:
        client.call("GET", "/a")
    assert isinstance(caught.value, Answer)
    assert caught.value.status == int(status[:3])


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"plain text\n", "plain text"), (b"", "request returned 404 for API route /v1.51/a"), (b"[1]", "[1]")],
)
def test_refusals_of_other_servers(daemon: Daemon, client: Client, body: bytes, message: str) -> None:
    daemon.reply = lambda line, _: ok(body, "404 Not Found")
    with pytest.raises(Missing) as caught:
        client.call("GET", "/a")
    assert str(caught.value) == message


def test_a_daemon_that_hangs_up(daemon: Daemon, client: Client) -> None:
    daemon.reply = lambda line, body: b""
    with pytest.raises(Unavailable, match="error during connect"):
        client.call("GET", "/a")


def test_an_idle_connection_that_was_closed_is_replaced(daemon: Daemon, client: Client) -> None:
    closing = ok(b"{}").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    daemon.reply = lambda line, body: closing
    client.call("GET", "/a")
    client.call("GET", "/b")
    assert daemon.connections == 2


def test_hijack_gives_what_came_with_the_head(daemon: Daemon, client: Client) -> None:
    daemon.reply = lambda line, body: b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst"
    stream = containers.attach(client, "x", stdin=False, stdout=True, stderr=False)
    assert stream.buffered()
    assert stream.receive() == b"first"
    assert daemon.requests[0][0] == "POST /v1.51/containers/x/attach?stream=1&stdout=1 HTTP/1.1"
    stream.close()


def test_query_leaves_out_what_is_empty() -> None:
    assert query_string({"a": None, "b": False, "c": "", "d": True, "e": 0, "f": ["x", "y"]}) == "?d=1&e=0&f=x&f=y"
    assert query_string(None) == ""


def test_quote() -> None:
    assert quote("a/b c?é") == "a%2Fb%20c%3F%C3%A9"
