"""Git servers that ask who somebody is: ``git http-backend`` behind HTTPS and Basic, and a real sshd."""

import base64
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.compat.sites import certificate

USERNAME = "deploy"
TOKEN = "glpat-Zx81%:+t0ken"


@dataclass
class Served:
    """``url`` has no path. ``seen``: the Authorization headers that came. ``hold``: what answers wait for.

    ``old``: it gives no commit that no ref names. ``elsewhere``: where whoever has signed in is sent on to. ``large``:
    objects of Git LFS by their numbers.
    """

    folder: Path
    url: str = ""
    authority: Path = Path()
    token: str = TOKEN
    seen: list[str] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event | None = None
    old: bool = False
    elsewhere: str = ""
    large: dict[str, bytes] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    """CGI, as git-http-backend(1) wants it."""

    def __init__(self, served: Served, *rest: Any) -> None:
        self._served = served
        super().__init__(*rest)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        told = self.headers.get("Authorization", "")
        self._served.seen.append(told)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if told != "Basic " + base64.b64encode(f"{USERNAME}:{self._served.token}".encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="Git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self._served.elsewhere:
            self.send_response(302)
            self.send_header("Location", self._served.elsewhere + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._served.asked.set()
        if self._served.hold is not None:
            self._served.hold.wait(60)
        parts = urlsplit(self.path)
        if "/info/lfs/" in parts.path:
            self._large(parts.path.rpartition("/")[2], body)
            return
        variables = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self._served.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": "" if self._served.old else self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REMOTE_USER": USERNAME,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        said = subprocess.run(
            ["git", "http-backend"], input=body, env=variables, capture_output=True, check=False
        ).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _large(self, word: str, body: bytes) -> None:
        """Git LFS's batch API, for downloads."""
        content, kind = self._served.large.get(word, b""), "application/octet-stream"
        if word == "batch":
            objects = [self._object(each) for each in json.loads(body)["objects"]]
            content, kind = json.dumps({"objects": objects}).encode(), "application/vnd.git-lfs+json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["oid"] not in self._served.large:
            return asked | {"error": {"code": 404, "message": "Object does not exist"}}
        place = f"{self._served.url}/repo.git/info/lfs/{asked['oid']}"
        return asked | {"actions": {"download": {"href": place}}}

    def log_message(self, format: str, *words: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may go whenever it likes."""


@contextmanager
def git_https(folder: Path, served: Path) -> Iterator[Served]:
    """What serves the repositories below ``served``; its certificate is made in ``folder``."""
    both = certificate(folder)
    made = Served(served, authority=folder / "crt")
    server = _Server(("127.0.0.1", 0), partial(_Handler, made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        if made.hold is not None:
            made.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
