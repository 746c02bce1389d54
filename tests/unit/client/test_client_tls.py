"""TLS to a daemon: both sides show certificates, and our end of a stream can be closed alone."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.client.endpoint import TLSFiles
from pier.client.tls import TLSStream, connect_tls
from pier.errors import Unavailable
from pier.linux.process import run_sync


@pytest.fixture
def files(tmp_path: Path) -> TLSFiles:
    """A certificate for localhost that is its own authority, and its key."""
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = run_sync([*new, *names, "-keyout", key, "-out", certificate])
    assert made.returncode == 0, made.stderr
    return TLSFiles(certificate, certificate, key, verify=True)


@pytest.fixture
def port(files: TLSFiles) -> Iterator[int]:
    """A server that answers what it was sent, in capitals, once its client has ended its side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        raw, _ = listener.accept()
        with raw:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_side=True)
            asked, greeted = b"", False
            while True:
                try:
                    if not greeted:
                        tls.do_handshake()
                        greeted = True
                    piece = tls.read(65536)
                    asked += piece
                    if not piece:
                        break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    data = raw.recv(65536)
                    if not data:
                        return
                    incoming.write(data)
                except ssl.SSLZeroReturnError:
                    break
                except ssl.SSLError:
                    return
            tls.write(asked.upper())
            raw.sendall(outgoing.read())

    thread = threading.Thread(target=serve)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.close()
    thread.join()


def read_all(stream: TLSStream) -> bytes:
    data = b""
    while piece := stream.recv(65536):
        data += piece
    return data


def test_half_close(files: TLSFiles, port: int) -> None:
    stream = connect_tls("localhost", port, files)
    stream.sendall(b"question " * 10_000)
    stream.shutdown(socket.SHUT_WR)
    assert read_all(stream) == b"QUESTION " * 10_000
    stream.close()


def test_a_server_that_is_not_ours(files: TLSFiles, port: int) -> None:
    """Without an authority that we trust there is no connection, unless the user insists on any."""
    with pytest.raises(Unavailable, match="failed"):
        connect_tls("127.0.0.1", port, TLSFiles(files.key, files.certificate, files.key, verify=True))
    stream = connect_tls("127.0.0.1", port, TLSFiles("", files.certificate, files.key, verify=False))
    stream.sendall(b"x")
    stream.shutdown(socket.SHUT_WR)
    assert read_all(stream) == b"X"
    stream.close()


def test_files_that_are_missing(files: TLSFiles) -> None:
    with pytest.raises(Unavailable, match="needs /none, "):
        connect_tls("localhost", 1, TLSFiles("/none", files.certificate, files.key, verify=True))
