"""A conversation with one daemon: requests, streams and hijacks, and the API version that both speak.

The newest version is assumed, which costs nothing against Pier's own daemon; an older daemon's
refusal names what it speaks, and the request is repeated in that version.
"""

from __future__ import annotations

import os

from pier.client.failures import Answer, answer
from pier.client.http import Connection, Response
from pier.client.jsontext import decode, encode
from pier.client.stream import Hijacked
from pier.errors import Unavailable
from pier.version import API_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Any

    from pier.client.endpoint import Endpoint

    Query = Mapping[str, str | int | bool | list[str] | None]

TOO_NEW = "Maximum supported API version is "
UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


def quote(text: str) -> str:
    """Percent-encode one path segment or query value."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in data)


def query_string(query: Query | None) -> str:
    """``?a=1&b=x``; None, False and "" are left out, True is 1, a list repeats its key."""
    pairs: list[str] = []
    for key, value in (query or {}).items():
        if value is None or value is False or value == "":
            continue
        values = value if isinstance(value, list) else ["1" if value is True else str(value)]
        pairs += [f"{key}={quote(each)}" for each in values]
    return "?" + "&".join(pairs) if pairs else ""


class Client:
    """One daemon. Not for two threads at once. ``version`` is the API version in use."""

    def __init__(self, endpoint: Endpoint, version: str | None = None) -> None:
        self.endpoint = endpoint
        self.version = version or os.environ.get("DOCKER_API_VERSION") or API_VERSION
        self._idle: Connection | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the idle connection go; the client may still be used."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    def head(self, path: str, query: Query | None = None) -> dict[str, str]:
        """The headers of an answer that has nothing else."""
        response = self.open("HEAD", path, query)
        self._keep(response)
        return response.headers

    def call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send JSON (or nothing), return the JSON answer (None when there is none). Raises the answer's kind."""
        response = self.open(method, path, query, body, headers)
        data = response.read()
        self._keep(response)
        if not data.strip():
            return None
        return decode(data.decode(errors="replace")) if "json" in response.headers.get("content-type", "") else data

    def open(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """As :meth:`call`, but the body is the caller's to read as a stream."""
        payload = b"" if body is None else encode(body).encode("utf-8", "surrogateescape")
        head = dict(headers or {})
        if payload:
            head["Content-Type"] = "application/json"
        while True:
            target = f"/v{self.version}{path}{query_string(query)}"
            response = self._exchange(method, target, head, payload)
            if response.status < 400:
                return response
            error = self._refusal(response, target)
            if not self._downgraded(error) and not (method == "HEAD" and self._came_down()):
                raise error

    def _exchange(self, method: str, target: str, headers: dict[str, str], payload: bytes) -> Response:
        connection = self._connection()
        try:
            connection.send(method, target, headers, payload)
            return connection.response(method)
        except (ConnectionResetError, BrokenPipeError) as error:
            connection.close()
            raise Unavailable(
                f"error during connect: {method} {self.endpoint.url}{target}: {error or 'EOF'}"
            ) from error

    def upload(
        self,
        method: str,
        path: str,
        query: Query | None,
        pieces: Iterable[bytes],
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a body in chunks as it is made; the body can be made only once, so the version is agreed on first."""
        self.negotiate()
        target = f"/v{self.version}{path}{query_string(query)}"
        connection = self._connection()
        connection.send_pieces(method, target, {"Content-Type": "application/x-tar", **(headers or {})}, pieces)
        try:
            response = connection.response(method)
        except ConnectionResetError as error:
            connection.close()
            raise Unavailable(f"error during connect: {method} {self.endpoint.url}{target}: {error}") from error
        if response.status >= 400:
            refusal = answer(response.status, response.read(), target)
            connection.close()
            raise refusal
        return response

    def hijack(self, path: str, query: Query | None = None, body: Any = None, protocol: str = "tcp") -> Hijacked:
        """POST and take the connection over. The daemon has attached when this returns."""
        headers = {"Connection": "Upgrade", "Upgrade": protocol, "Content-Type": "application/json"}
        payload = b"" if body is None else encode(body).encode("utf-8", "surrogateescape")
        while True:
            connection = Connection(self.endpoint.connect())
            target = f"/v{self.version}{path}{query_string(query)}"
            try:
                connection.send("POST", target, headers, payload)
                response = connection.response("POST")
            except (ConnectionResetError, BrokenPipeError) as error:
                connection.close()
                raise Unavailable(f"error during connect: {self.endpoint.url}{target}: {error}") from error
            if response.status in (101, 200):
                return Hijacked(connection)
            error_ = answer(response.status, response.read(), target)
            connection.close()
            if not self._downgraded(error_):
                raise error_

    def negotiate(self) -> dict[str, str]:
        """Ask the daemon what it speaks and come down to it. Returns the ping's headers."""
        connection = self._connection()
        connection.send("HEAD", "/_ping", {}, b"")
        response = connection.response("HEAD")
        self._keep(response)
        theirs = response.headers.get("api-version", "")
        if theirs and _number(theirs) < _number(self.version):
            self.version = theirs
        return response.headers

    def _downgraded(self, error: Answer) -> bool:
        _, found, rest = str(error).partition(TOO_NEW)
        theirs = rest.split(",")[0].strip().rstrip(".")
        if error.status != 400 or not found or theirs == self.version or not theirs.replace(".", "").isdecimal():
            return False
        self.version = theirs
        return True

    def _came_down(self) -> bool:
        """Ask what the daemon speaks, for a refusal that cannot say (HEAD has no body). Whether that is less."""
        before = self.version
        self.negotiate()
        return self.version != before

    def _refusal(self, response: Response, target: str) -> Answer:
        error = answer(response.status, response.read(), target)
        self._keep(response)
        return error

    def _connection(self) -> Connection:
        idle, self._idle = self._idle, None
        if idle is not None:
            if not idle.stale():
                return idle
            idle.close()
        return Connection(self.endpoint.connect())

    def _keep(self, response: Response) -> None:
        if response.reusable and self._idle is None:
            self._idle = response.connection
        else:
            response.close()


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def messages(response: Response) -> Iterator[Any]:
    """A response's stream of JSON values; the connection is closed when the reader stops."""
    try:
        yield from response.messages()
    finally:
        response.close()
