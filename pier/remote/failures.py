"""What went wrong with a registry, as an error kind in Docker's words (pure).

A refusal reads ``<code>: <message>`` as the registry's own error body has it, the code in lower case.
Nothing of a URL's query is repeated, nor its password: signed download addresses carry secrets there.
"""

import errno
import json
import os
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from yarl import URL

from pier.errors import (
    DataCorrupted,
    DeadlineExceeded,
    Forbidden,
    InvalidArgument,
    NotFound,
    PierError,
    Unauthorized,
    Unavailable,
    Unsupported,
)

_KIND_OF_CODE: Final[dict[str, type[PierError]]] = {
    "UNAUTHORIZED": Unauthorized,
    "DENIED": Forbidden,
    "NAME_UNKNOWN": NotFound,
    "MANIFEST_UNKNOWN": NotFound,
    "BLOB_UNKNOWN": NotFound,
    "BLOB_UPLOAD_UNKNOWN": NotFound,
    "TOOMANYREQUESTS": Unavailable,
    "UNAVAILABLE": Unavailable,
    "UNSUPPORTED": Unsupported,
}
_UNKNOWN_CA: Final = "certificate signed by unknown authority"
_EXPIRED: Final = "certificate has expired or is not yet valid"
_CERTIFICATES: Final = {
    9: _EXPIRED,
    10: _EXPIRED,
    18: _UNKNOWN_CA,
    19: _UNKNOWN_CA,
    20: _UNKNOWN_CA,
    21: _UNKNOWN_CA,
}
"""OpenSSL's X509_V_ERR codes, in the words of Docker's TLS."""
_LONGEST_MESSAGE: Final = 300
_TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Busy(Unavailable):
    """Unavailable for ``wait`` seconds, as the registry says itself."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not the one hoped for. ``code`` is empty where the body told none."""

    status: int
    code: str
    message: str

    def error(self, wait: float = 0.0) -> PierError:
        """``wait``: seconds that the answer asks for."""
        kind = _kind(self)
        return Busy(self.text, wait) if kind is Unavailable and wait else kind(self.text)

    @property
    def text(self) -> str:
        if self.code and not (self.code == "UNKNOWN" and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR):
            return f"{self.code.lower().replace('_', ' ')}: {self.message}"
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return f"toomanyrequests: {self.message or 'the registry asks to slow down'}"
        if self.status == HTTPStatus.FORBIDDEN:
            return f"denied: {self.message or 'requested access to the resource is denied'}"
        return f"received unexpected HTTP status: {status_line(self.status)}"


def _kind(refusal: Refusal) -> type[PierError]:
    if refusal.code in _KIND_OF_CODE:
        return _KIND_OF_CODE[refusal.code]
    by_status: dict[int, type[PierError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 429: Unavailable}
    if refusal.status in by_status:
        return by_status[refusal.status]
    return InvalidArgument if 400 <= refusal.status < 500 else Unavailable


def status_line(status: int) -> str:
    """``503 Service Unavailable``; just the number when it has no name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def is_temporary(status: int) -> bool:
    """Whether asking again later may help."""
    return status in _TEMPORARY


def refusal(status: int, body: bytes) -> Refusal:
    """Read the error body of the distribution specification, or the ones that stand in for it."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(status, "", _printable(body.decode("utf-8", "replace")))
    code, message = _first_error(answer)
    return Refusal(status, _printable(code).upper(), _printable(message))


def _first_error(answer: Any) -> tuple[str, str]:
    if not isinstance(answer, dict):
        return "", ""
    errors = answer.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        code, message = str(errors[0].get("code") or ""), str(errors[0].get("message") or "")
        return code, message or code.lower().replace("_", " ")
    if isinstance(details := answer.get("details"), str):  # Docker Hub's token service
        return "UNAUTHORIZED", details
    return "", ""


def _printable(text: str) -> str:
    line = " ".join(text.split())
    clean = "".join(ch for ch in line if ch.isprintable())
    return clean if len(clean) <= _LONGEST_MESSAGE else clean[:_LONGEST_MESSAGE] + "..."


def connection_failure(
    method: str, url: URL, error: Exception, *, waited: float = 0, shown: URL | None = None
) -> PierError:
    """The kind for what aiohttp raised while ``method url`` was asked: ``Get "URL": reason``.

    ``shown``: the URL as it may be told, if that is another than :func:`shown_url`.
    """
    kind, reason = _reason(url, error, waited)
    return kind(f'{method.capitalize()} "{shown or shown_url(url)}": {reason}')


def shown_url(url: URL) -> URL:
    """``url`` without the secrets that may be in it: its query, its user and password."""
    return url.with_query(None).with_user(None)


def _reason(url: URL, error: Exception, waited: float) -> tuple[type[PierError], str]:
    if isinstance(error, TimeoutError):
        return DeadlineExceeded, f"no answer within {waited:g} s: context deadline exceeded"
    if isinstance(error, aiohttp.ClientSSLError):
        return Unavailable, _tls_reason(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unavailable, _connect_reason(url, error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Unavailable, _printable(error.message) or status_line(error.status)
    if isinstance(error, aiohttp.ClientResponseError):
        return DataCorrupted, f"malformed HTTP response: {_printable(error.message)}"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return Unavailable, "unexpected EOF"
    if isinstance(error, OSError):
        return Unavailable, _os_reason(error)
    return Unavailable, _printable(str(error)) or type(error).__name__


def _connect_reason(url: URL, error: aiohttp.ClientConnectorError) -> str:
    """Why there is no connection, or no TLS on it, to the server or to the proxy before it."""
    proxied = isinstance(error, aiohttp.ClientProxyConnectionError) or error.host != url.host
    via = "proxyconnect tcp: " if proxied else ""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{via}dial tcp: lookup {error.host}: {_lookup_reason(error)}"
    if not error.os_error.errno:
        return f"{via}EOF"
    if error.os_error.errno == errno.ECONNRESET:
        return f"{via}read tcp {_address(url, error)}: read: connection reset by peer"
    return f"{via}dial tcp {_address(url, error)}: connect: {_os_reason(error.os_error)}"


def _lookup_reason(error: aiohttp.ClientConnectorDNSError) -> str:
    temporary = error.os_error.errno == socket.EAI_AGAIN
    return "server misbehaving (temporary failure in name resolution)" if temporary else "no such host"


def _address(url: URL, error: aiohttp.ClientConnectorError) -> str:
    port = error.port or url.port
    return f"[{error.host}]:{port}" if ":" in str(error.host) else f"{error.host}:{port}"


def _os_reason(error: OSError) -> str:
    number = error.errno or 0
    if number == errno.ETIMEDOUT:
        return "connection timed out"
    return os.strerror(number).lower() if number in errno.errorcode else _printable(str(error))


def _tls_reason(error: aiohttp.ClientSSLError) -> str:
    cause: object = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = _CERTIFICATES.get(cause.verify_code, cause.verify_message)
        return f"tls: failed to verify certificate: x509: {why}"
    if isinstance(cause, ssl.SSLError) and cause.reason in (
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
    ):
        return "http: server gave HTTP response to HTTPS client"
    return f"tls: {_printable(str(cause or error))}"
