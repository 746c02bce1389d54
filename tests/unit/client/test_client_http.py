"""HTTP/1.1 read from a socket pair: bodies of every framing, and servers that misbehave."""

import socket
from collections.abc import Iterator

import pytest

from pier.client.http import MAX_LINE, Connection
from pier.errors import Unavailable


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    yield Connection(ours), theirs
    ours.close()
    theirs.close()


Pair = tuple[Connection, socket.socket]


def answer(pair: Pair, data: bytes, end: bool = False) -> Connection:
    connection, theirs = pair
    theirs.sendall(data)
    if end:
        theirs.shutdown(socket.SHUT_WR)
    return connection


def test_counted_body_leaves_the_connection_usable(pair: Pair) -> None:
    connection = answer(
        pair,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n",
    )
    first = connection.response("GET")
    assert (first.status, first.headers["x-a"], first.read(), first.reusable) == (200, "b", b"hello", True)
    second = connection.response("GET")
    assert (second.status, second.read(), second.reusable) == (204, b"", True)


def test_chunked_body(pair: Pair) -> None:
    connection = answer(
        pair,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
    )
    response = connection.response("GET")
    assert response.read() == b"abc0123456789"
    assert response.reusable
    assert connection.buffer == b""


def test_body_until_the_connection_ends(pair: Pair) -> None:
    response = answer(pair, b"HTTP/1.1 200 OK\r\n\r\nsome text", end=True).response("GET")
    assert response.read() == b"some text"
    assert not response.reusable


@pytest.mark.parametrize("status", [b"101 UPGRADED", b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body(pair: Pair, status: bytes) -> None:
    assert answer(pair, b"HTTP/1.1 " + status + b"\r\n\r\n").response("POST").read() == b""


def test_head_has_no_body(pair: Pair) -> None:
    assert answer(pair, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n").response("HEAD").read() == b""


def test_messages_are_cut_at_lines(pair: Pair) -> None:
    body = b'{"a":1}\r\n{"b":"\xc3\xa9"}\n\n{"c":3}'
    chunks = b"".join(b"1\r\n%b\r\n" % body[index : index + 1] for index in range(len(body)))
    connection = answer(pair, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert list(connection.response("GET").messages()) == [{"a": 1}, {"b": "é"}, {"c": 3}]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"",
    ],
)
def test_an_early_end_is_an_error(pair: Pair, data: bytes) -> None:
    connection = answer(pair, data, end=True)
    with pytest.raises(ConnectionResetError):
        connection.response("GET").read()


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_something_else_than_http(pair: Pair, data: bytes) -> None:
    with pytest.raises(Unavailable, match="does not speak HTTP"):
        answer(pair, data).response("GET")


def test_an_endless_line_is_refused(pair: Pair) -> None:
    connection, _ = pair
    connection.buffer = b"x" * (MAX_LINE + 1)
    with pytest.raises(Unavailable, match="endless line"):
        connection.line()


def test_pieces_are_sent_as_chunks(pair: Pair) -> None:
    connection, theirs = pair
    connection.send_pieces("PUT", "/x", {"A": "b"}, iter((b"one", b"", b"three")))
    sent = theirs.recv(4096)
    assert b"Transfer-Encoding: chunked\r\nA: b\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n" in sent


def test_an_early_answer_ends_the_body(pair: Pair) -> None:
    """A server that refuses an upload hangs up while we still send; its answer is what counts."""
    connection, theirs = pair
    theirs.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
    theirs.shutdown(socket.SHUT_RD)
    connection.send_pieces("PUT", "/x", {}, (b"x" * 65536 for _ in range(1000)))
    assert connection.response("PUT").status == 400
