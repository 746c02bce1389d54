"""Repositories, and servers that give them: git's own daemon, and plain files behind a web server."""

import os
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pier.testing.registry import free_port

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_AUTHOR_DATE": "981158400 +0000",
    "GIT_COMMITTER_DATE": "981158400 +0000",
    "GIT_ALLOW_PROTOCOL": "file",
}


class Project:
    """A repository with a work tree; ``publish`` puts it where the servers have it. ``format``: of its hashes."""

    def __init__(self, served: Path, name: str = "repo", format: str = "sha1") -> None:
        self.folder = served.parent / f"{name}-work"
        self.place = served / f"{name}.git"
        self.folder.mkdir(parents=True)
        self._init = ("init", "--quiet", "--initial-branch=main", f"--object-format={format}")
        self.git(*self._init)

    def git(self, *words: str) -> str:
        return _git(self.folder, *words)

    def commit(self, message: str = "more", **files: str) -> str:
        """A commit with these files (``a__b`` is ``a/b``); its number."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def publish(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        _git(self.place, *self._init, "--bare")
        _git(self.place, "fetch", "--quiet", "--force", "--prune", "-u", str(self.folder), "+refs/*:refs/*")
        _git(self.place, "update-server-info")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def git_daemon(served: Path) -> Iterator[str]:
    """Its URL."""
    port = free_port()
    words = ["git", "daemon", "--export-all", f"--base-path={served}", "--listen=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen([*words, "--reuseaddr", "--informative-errors", str(served)], start_new_session=True)
    try:
        while process.poll() is None:
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
        assert process.poll() is None, "git daemon does not run"
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Old(socketserver.BaseRequestHandler):
    """One call of git's own protocol (gitprotocol-pack(5)), answered in its first version whatever is asked for."""

    folder: Path

    def handle(self) -> None:
        length = int(self._bytes(4), 16)
        command, _, path = self._bytes(length - 4).split(b"\0")[0].decode().partition(" ")
        assert command == "git-upload-pack", command
        words = ["git", "upload-pack", "--strict", str(self.folder / path.lstrip("/"))]
        subprocess.run(words, stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL, env=ENVIRONMENT)

    def _bytes(self, count: int) -> bytes:
        return bytes(self.request.recv(count, socket.MSG_WAITALL))


@contextmanager
def old_server(served: Path) -> Iterator[str]:
    """The URL of one that gives no commit that no ref names."""
    handler = type("Handler", (_Old,), {"folder": served})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"git://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Plain(SimpleHTTPRequestHandler):
    """``secret``: what has to be in Authorization, None for nothing. ``seen``: what was."""

    secret: str | None = None
    seen: list[str] = []

    def do_GET(self) -> None:
        told = self.headers.get("Authorization", "")
        self.seen.append(told)
        if self.secret is not None and told != self.secret:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, format: str, *words: object) -> None:
        pass


@contextmanager
def web_server(served: Path, secret: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the Authorization headers that it saw."""
    seen: list[str] = []
    handler = type("Handler", (_Plain,), {"secret": secret, "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()
