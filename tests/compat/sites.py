"""Web servers for builds: sound and broken ones, with TLS, and a proxy that knows names which nobody else does."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_PIECE = 1 << 16
_BROKEN = "/broken/"


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; below ``/broken/`` what goes wrong. ``over``: set when all that hang are to end."""

    over: threading.Event
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if not self.path.startswith(_BROKEN):
            super().do_GET()
            return
        name, _, rest = self.path.removeprefix(_BROKEN).partition("/")
        getattr(self, f"_{name}")(rest)

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def _status(self, number: str) -> None:
        self._head(int(number), Content_Length="0")

    def _to(self, where: str) -> None:
        """``/broken/to/X``: at X, a path or a whole URL."""
        self._head(302, Location=where if "://" in where else f"/{where}", Content_Length="0")

    def _loop(self, rest: str) -> None:
        self._to("broken/loop")

    def _short(self, rest: str) -> None:
        self._head(200, Content_Length="100000")
        self.wfile.write(b"beginning")

    def _cut(self, rest: str) -> None:
        """In the midst of a chunk."""
        self._head(200, Transfer_Encoding="chunked")
        self.wfile.write(b"64\r\nbeginning")

    def _silent(self, rest: str) -> None:
        self.over.wait()

    def _stalled(self, rest: str) -> None:
        self._head(200, Content_Length="100000")
        self.wfile.write(b"beginning")
        self.over.wait()

    def _endless(self, rest: str) -> None:
        self._head(200)
        with suppress(OSError):
            while not self.over.is_set():
                self.wfile.write(bytes(_PIECE))

    def log_message(self, format: str, *words: object) -> None:
        pass


class Site:
    def __init__(self, url: str, asked: list[str]) -> None:
        self.url = url
        self.asked = asked


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may go whenever it likes."""


@contextmanager
def site(folder: Path, certificate: Path | None = None) -> Iterator[Site]:
    """What serves ``folder``. ``certificate``: has its key, too."""
    over, asked = threading.Event(), list[str]()
    handler = type("_Handler", (Handler,), {"over": over, "asked": asked})
    server = _Server(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server):
        yield Site(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}", asked)
        over.set()


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with server:
            try:
                yield
            finally:
                server.shutdown()
    finally:
        thread.join()


class Proxy(SimpleHTTPRequestHandler):
    """Whatever host it is asked for, it asks these: ``plain`` and ``secure`` are ports."""

    plain: int
    secure: int
    asked: list[str]

    def do_GET(self) -> None:
        """The answer is passed on as it is."""
        self.asked.append(f"GET {self.path}")
        target = urlsplit(self.path)
        with socket.create_connection(("127.0.0.1", self.plain)) as server:
            path = target.path + (f"?{target.query}" if target.query else "")
            server.sendall(f"GET {path} HTTP/1.0\r\nHost: {target.netloc}\r\n\r\n".encode())
            while data := server.recv(_PIECE):
                self.wfile.write(data)
        self.close_connection = True

    def do_CONNECT(self) -> None:
        self.asked.append(f"CONNECT {self.path}")
        with socket.create_connection(("127.0.0.1", self.secure)) as server:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_carry, args=(server, self.connection), daemon=True)
            back.start()
            _carry(self.connection, server)
            back.join()
        self.close_connection = True

    def log_message(self, format: str, *words: object) -> None:
        pass


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(plain: Site, secure: Site) -> Iterator[Site]:
    asked = list[str]()
    ports = {"plain": urlsplit(plain.url).port, "secure": urlsplit(secure.url).port}
    server = _Server(("127.0.0.1", 0), type("_Proxy", (Proxy,), {**ports, "asked": asked}))
    with _serving(server):
        yield Site(f"http://127.0.0.1:{server.server_port}", asked)


def certificate(folder: Path, *names: str) -> Path:
    """One that signs itself, for these names and 127.0.0.1, together with its key."""
    both = folder / "certificate.pem"
    subjects = ",".join(("IP:127.0.0.1", *(f"DNS:{name}" for name in names)))
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3"]
    told = ["-subj", "/CN=pier-test", "-addext", f"subjectAltName={subjects}"]
    subprocess.run([*new, *told, "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
    both.write_bytes((folder / "key").read_bytes() + (folder / "crt").read_bytes())
    return both
