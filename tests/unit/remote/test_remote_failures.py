"""What a user reads when a registry refuses, and what kind it is."""

import errno
import socket
import ssl
import time

import aiohttp
import pytest
from yarl import URL

from pier.errors import DeadlineExceeded, Forbidden, NotFound, PierError, Unauthorized, Unavailable, Unsupported
from pier.remote.auth import read_token
from pier.remote.backoff import pause, retry_after
from pier.remote.failures import connection_failure, refusal
from pier.remote.settings import Credentials, Settings


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            404,
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}',
            NotFound,
            "manifest unknown: manifest unknown",
        ),
        (
            401,
            b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
            Unauthorized,
            "unauthorized: authentication required",
        ),
        (
            401,
            b'{"details":"incorrect username or password"}',
            Unauthorized,
            "unauthorized: incorrect username or password",
        ),
        (
            403,
            b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}',
            Forbidden,
            "denied: requested access to the resource is denied",
        ),
        (403, b'{"errors":[{"code":"DENIED"}]}', Forbidden, "denied: denied"),
        (403, b"", Forbidden, "denied: requested access to the resource is denied"),
        (403, b"<p>no</p>", Forbidden, "denied: <p>no</p>"),
        (
            500,
            b'{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}',
            Unavailable,
            "received unexpected HTTP status: 500 Internal Server Error",
        ),
        (405, b'{"errors":[{"code":"UNSUPPORTED","message":"no"}]}', Unsupported, "unsupported: no"),
        (429, b"slow down", Unavailable, "toomanyrequests: slow down"),
        (500, b"<html>", Unavailable, "received unexpected HTTP status: 500 Internal Server Error"),
        (503, b'{"errors":[]}', Unavailable, "received unexpected HTTP status: 503 Service Unavailable"),
        (404, b"[" * 100_000, NotFound, "received unexpected HTTP status: 404 Not Found"),
        (599, b"", Unavailable, "received unexpected HTTP status: 599"),
    ],
)
def test_refusal(status: int, body: bytes, kind: type[PierError], text: str) -> None:
    error = refusal(status, body).error()
    assert (type(error), str(error)) == (kind, text)


def test_a_registry_cannot_write_on_the_terminal() -> None:
    body = b'{"errors":[{"code":"DENIED","message":"\\u001b[2J' + b"x" * 5000 + b'"}]}'
    text = str(refusal(403, body).error())
    assert "\x1b" not in text
    assert len(text) < 400


def test_silence_and_secrets() -> None:
    error = connection_failure("GET", URL("https://cdn.example/blob?X-Signature=secret"), TimeoutError(), waited=15)
    assert isinstance(error, DeadlineExceeded)
    assert str(error) == 'Get "https://cdn.example/blob": no answer within 15 s: context deadline exceeded'


def test_reset() -> None:
    error = connection_failure("PUT", URL("http://r/v2/"), aiohttp.ClientOSError(104, "reset"))
    assert str(error) == 'Put "http://r/v2/": connection reset by peer'


DNS, REFUSED = socket.gaierror(socket.EAI_NONAME, "x"), OSError(errno.ECONNREFUSED, "x")


@pytest.mark.parametrize(
    ("kind", "host", "cause", "reason"),
    [
        (aiohttp.ClientConnectorError, "r", REFUSED, "dial tcp r:443: connect: connection refused"),
        (
            aiohttp.ClientConnectorError,
            "r",
            OSError(errno.ECONNRESET, "x"),
            "read tcp r:443: read: connection reset by peer",
        ),
        (aiohttp.ClientConnectorError, "r", ConnectionResetError(), "EOF"),
        (aiohttp.ClientConnectorDNSError, "r", DNS, "dial tcp: lookup r: no such host"),
        (aiohttp.ClientConnectorDNSError, "p", DNS, "proxyconnect tcp: dial tcp: lookup p: no such host"),
        (
            aiohttp.ClientProxyConnectionError,
            "p",
            REFUSED,
            "proxyconnect tcp: dial tcp p:443: connect: connection refused",
        ),
    ],
)
def test_no_connection(kind: type[aiohttp.ClientConnectorError], host: str, cause: OSError, reason: str) -> None:
    error = connection_failure("GET", URL("https://r/v2/"), kind(_key(host), cause))
    assert (type(error), str(error)) == (Unavailable, f'Get "https://r/v2/": {reason}')


def _key(host: str) -> aiohttp.client_reqrep.ConnectionKey:
    return aiohttp.client_reqrep.ConnectionKey(host, 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (10, "certificate has expired or is not yet valid"),
        (18, "certificate signed by unknown authority"),
        (62, "Hostname mismatch"),
    ],
)
def test_tls_reasons_are_told(code: int, reason: str) -> None:
    cause = ssl.SSLCertVerificationError(1, "x")
    cause.verify_code, cause.verify_message = code, "Hostname mismatch"
    error = connection_failure("GET", URL("https://r/v2/"), aiohttp.ClientConnectorCertificateError(_key("r"), cause))
    assert str(error) == f'Get "https://r/v2/": tls: failed to verify certificate: x509: {reason}'


def test_no_secret_is_shown() -> None:
    shown = repr(Credentials("me", "s3cret", "t0ken", "b3arer"))
    assert "me" in shown
    assert not any(secret in shown for secret in ("s3cret", "t0ken", "b3arer"))


def test_credentials_from_a_strange_auth_config() -> None:
    config = {"username": "me", "password": 5, "serveraddress": None, "auth": "x", "identitytoken": "t"}
    assert Credentials.from_auth_config(config) == Credentials("me", "", "t")


FAR_EAST = "Mon, 01 Jan 2126 00:00:00 +" + "9" * 20


@pytest.mark.parametrize(("text", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("-3", 0), ("٣", 3), (FAR_EAST, 0)])
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds


@pytest.mark.parametrize(
    ("promised", "least", "most"),
    [("300", 290, 290), ("1", 50, 50), ("null", 50, 50), ("NaN", 50, 50), ("1" + "0" * 400, 3600, 90_000)],
)
def test_how_long_a_token_is_believed(promised: str, least: float, most: float) -> None:
    before = time.monotonic()
    token = read_token(f'{{"token":"x","expires_in":{promised}}}'.encode())
    assert least <= token.expires - before <= most + time.monotonic() - before


def test_retry_after_a_date() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("Fri, 21 Oct 2118 07:28:00 GMT") > 1_000_000


def test_pauses_grow_and_end() -> None:
    settings = Settings(first_delay=1, longest_delay=10)
    pauses = [pause(settings, attempt) for attempt in range(1, 40)]
    assert 0.75 <= pauses[0] <= 1.25
    assert max(pauses) <= 10
    assert pause(settings, 1, "9") == 9
