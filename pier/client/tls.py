"""TLS with half-close: ``shutdown(SHUT_WR)`` sends close_notify and reading goes on.

``ssl.SSLSocket`` cannot do that; an ``SSLObject`` over two memory buffers can.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from pier.client.endpoint import TLSFiles
from pier.errors import Unavailable

PIECE = 65536


class TLSStream:
    """The :class:`~pier.client.endpoint.Transport` part of a socket, encrypted. Blocking only."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._raw = raw
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
        self._flush()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._raw.sendall(data)

    def _fill(self) -> None:
        data = self._raw.recv(PIECE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def recv(self, size: int, /) -> bytes:
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def pending(self) -> bool:
        """Whether decrypted or undecrypted bytes wait here, where poll(2) cannot see them."""
        return bool(self._tls.pending() or self._incoming.pending)

    def send(self, data: bytes | memoryview, /) -> int:
        sent = self._tls.write(data)
        self._flush()
        return sent

    def sendall(self, data: bytes | memoryview, /) -> None:
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def shutdown(self, how: int, /) -> None:
        """End our direction only; the peer's bytes keep coming."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()

    def setblocking(self, flag: bool, /) -> None:
        """Ignored: records are written whole."""

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()


def connect_tls(host: str, port: int, files: TLSFiles) -> TLSStream:
    """A mutually authenticated stream. Raises Unavailable when files or the peer's certificate are wrong."""
    try:
        context = ssl.create_default_context(cafile=files.ca if files.verify else None)
        if not files.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(files.certificate, files.key)
        return _greeted(socket.create_connection((host, port)), context, host)
    except ssl.SSLError as error:
        raise Unavailable(f"TLS with {host}:{port} failed: {error}") from error
    except FileNotFoundError as error:
        raise Unavailable(f"TLS with {host}:{port} needs {files.ca}, {files.certificate} and {files.key}") from error


def _greeted(raw: socket.socket, context: ssl.SSLContext, host: str) -> TLSStream:
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return TLSStream(raw, context, host)
    except OSError:  # SSLError among them
        raw.close()
        raise
