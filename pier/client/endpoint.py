"""Where a daemon listens, and how to get there: ``unix://PATH``, ``tcp://HOST:PORT`` with or without TLS, ``ssh://HOST``."""

from __future__ import annotations

import errno
import os
from _socket import AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, getaddrinfo
from _socket import socket as Socket

from pier.errors import Forbidden, InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from pier.client.ssh import Host

    class Transport(Protocol):
        """The part of a socket that the client uses."""

        def recv(self, size: int, /) -> bytes: ...
        def send(self, data: bytes | memoryview, /) -> int: ...
        def sendall(self, data: bytes | memoryview, /) -> None: ...
        def shutdown(self, how: int, /) -> None: ...
        def setblocking(self, flag: bool, /) -> None: ...
        def fileno(self) -> int: ...
        def close(self) -> None: ...


DEFAULT = "unix:///run/pier.sock"


class TLSFiles:
    """Paths of the CA, certificate and key; ``verify`` false accepts any server."""

    __slots__ = ("ca", "certificate", "key", "verify")

    def __init__(self, ca: str, certificate: str, key: str, verify: bool) -> None:
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.verify = verify


class Endpoint:
    """A daemon's address. ``url`` is what the user wrote and what errors name; ``path`` a socket of this host's."""

    __slots__ = ("host", "path", "port", "ssh", "tls", "url")

    def __init__(self, url: str, tls: TLSFiles | None = None) -> None:
        self.url = url
        self.tls = tls
        self.path = ""
        self.host = ""
        self.port = 0
        self.ssh: Host | None = None
        scheme, separator, rest = url.partition("://")
        if not separator:
            scheme, rest = ("unix", url) if url.startswith("/") else ("tcp", url)
        if scheme == "unix" and rest:
            self.path = rest
        elif scheme in ("tcp", "http", "https"):
            self.host, self.port = _host_port(rest.rstrip("/"), 2376 if tls else 2375, url)
        elif scheme == "ssh":
            from pier.client.ssh import Host

            self.ssh = Host(url)
        else:
            raise InvalidArgument(f"unable to parse docker host `{url}`")

    def connect(self) -> Transport:
        """A connected, blocking stream. Raises Unavailable, Forbidden (no access to the socket)."""
        if self.ssh is not None:
            from pier.client.ssh import connect

            return connect(self.ssh)
        try:
            return self._connect_unix() if self.path else self._connect_tcp()
        except PermissionError as error:
            raise Forbidden(
                f"permission denied while trying to connect to the Pier daemon socket at {self.url}: "
                "use sudo, or add yourself to the group that owns the socket"
            ) from error
        except OSError as error:
            raise Unavailable(
                f"Cannot connect to the Pier daemon at {self.url}. Is the pier daemon running?{_reason(error)}"
            ) from error

    def _connect_unix(self) -> Transport:
        return _connected(Socket(AF_UNIX, SOCK_STREAM), self.path)

    def _connect_tcp(self) -> Transport:
        if self.tls is not None:
            from pier.client.tls import connect_tls

            return connect_tls(self.host, self.port, self.tls)
        family, kind, protocol, _, address = getaddrinfo(self.host, self.port, 0, SOCK_STREAM)[0]
        stream = _connected(Socket(family, kind, protocol), address)
        if family in (AF_INET, AF_INET6):
            stream.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        return stream


def _connected(stream: Socket, address: Any) -> Socket:
    try:
        stream.connect(address)
    except OSError:
        stream.close()
        raise
    return stream


def _reason(error: OSError) -> str:
    return "" if error.errno in (errno.ECONNREFUSED, errno.ENOENT) else f" ({error.strerror or error})"


def _host_port(text: str, default: int, url: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or port.endswith("]"):
        host, port = text, str(default)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidArgument(f"Invalid bind address format: {url}")
    return host.strip("[]") or "127.0.0.1", int(port)


def from_environment(url: str | None, tls: TLSFiles | None = None) -> Endpoint:
    """The daemon that the user means: ``url``, else PIER_HOST, DOCKER_HOST, else the default socket."""
    chosen = url or os.environ.get("PIER_HOST") or os.environ.get("DOCKER_HOST") or DEFAULT
    return Endpoint(chosen, tls or _tls_from_environment(chosen))


def _tls_from_environment(url: str) -> TLSFiles | None:
    verify = os.environ.get("DOCKER_TLS_VERIFY", "")
    if not url.startswith(("tcp", "https")) or not (verify or url.startswith("https")):
        return None
    folder = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    return TLSFiles(f"{folder}/ca.pem", f"{folder}/cert.pem", f"{folder}/key.pem", bool(verify))
