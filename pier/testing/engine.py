"""A real ``pierd`` for tests: with roots, socket, bridge and subnet of its own, and nothing left afterwards.

    with running_engine(tmp_path) as engine:
        DOCKER_HOST=engine.host docker run ...
        engine.kill()       # as kill -9 does; containers go on running
        engine.start()      # the same roots: the new daemon finds them

The exec root is short and outside ``folder``: the paths of sockets are limited to 107 bytes.
"""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from pier.linux import mount, process, trees
from pier.linux.process import Child

PATIENCE: Final = 60.0
_FIRST_SUBNET: Final = 208  # 10.208.0.0 to 10.239.255.0, one /24 an engine
_SUBNETS: Final = 32


class EngineError(AssertionError):
    """The daemon did not start or did not answer; the text has the end of its log."""


class RunningEngine:
    """One daemon and its roots.

    ``flags`` are given to ``pierd`` besides those that keep it apart; ``inside`` is a command that becomes it, in
    other namespaces or with another environment.
    """

    def __init__(self, folder: Path, flags: Sequence[str] = (), inside: Sequence[str] = ()) -> None:
        unique = os.urandom(3).hex()
        self.folder = folder
        self.root = folder / "root"
        self.run = Path(f"/run/pier-test-{unique}")
        self.socket = self.run / "api.sock"
        self.bridge = f"pt{unique}"
        self.log = folder / "pierd.log"
        self.flags = tuple(flags)
        self._inside = tuple(inside)
        self._bip = f"{_free_subnet()}.1/24"
        self._child: Child | None = None

    @property
    def host(self) -> str:
        """For ``DOCKER_HOST``."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._child is not None, "the daemon does not run"
        return self._child.pid

    def argv(self) -> list[str]:
        own = ["--data-root", str(self.root), "--exec-root", str(self.run), "-H", self.host]
        own += ["--bridge", self.bridge, "--bip", self._bip]
        return [*self._inside, sys.executable, "-m", "pier.daemon.main", *own, *self.flags]

    def start(self) -> None:
        """Start the daemon and wait until it answers. Raises EngineError."""
        source = str(Path(__file__).resolve().parents[2])
        with self.log.open("ab") as log:
            self._child = process.spawn_sync(
                self.argv(),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": source},
                new_session=True,  # a Ctrl-C at the tests must not end it before its containers are removed
            )
        self._await_answer(time.monotonic() + PATIENCE)

    def _await_answer(self, deadline: float) -> None:
        assert self._child is not None
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/_ping")[0] == 200:
                    return
            with suppress(TimeoutError):
                code = self._child.wait_sync(0.02)
                raise EngineError(f"pierd ended with {code}:\n{self.log_tail()}")
        raise EngineError(f"pierd does not answer:\n{self.log_tail()}")

    def stop(self) -> int:
        """End the daemon as a service manager does; containers go on running. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the daemon without a chance to say goodbye."""
        self._end(signal.SIGKILL)

    def abandon(self, number: int) -> process.Child:
        """Signal the daemon and leave its end to the caller: another may be started meanwhile."""
        child, self._child = self._child, None
        assert child is not None, "the daemon does not run"
        child.send_signal(number)
        return child

    def _end(self, number: int) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        child.send_signal(number)
        try:
            return child.wait_sync(PATIENCE)
        except TimeoutError:
            child.send_signal(signal.SIGKILL)
            child.wait_sync(PATIENCE)
            raise EngineError(f"pierd does not stop:\n{self.log_tail()}") from None

    def reload(self, expected: str) -> None:
        """Have it read its configuration again, and wait until its log says ``expected`` once more."""
        before = self.log.read_text().count(expected)
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while self.log.read_text().count(expected) <= before:
            if time.monotonic() > deadline:
                raise EngineError(f"pierd did not say {expected!r}:\n{self.log_tail()}")
            time.sleep(0.02)

    def log_tail(self, size: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One API call: the status, and the body, decoded where it is JSON. Bytes in ``body`` are sent as a tar."""
        connection = _UnixConnection(self.socket)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
            connection.request(method, path, data, {"Content-Type": kind, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            if response.headers.get_content_type() == "application/json" and text.count(b"\r\n") == 0 and text:
                return response.status, json.loads(text)
            return response.status, text
        finally:
            connection.close()

    def import_image(self, rootfs: bytes, name: str, *changes: str) -> None:
        """Make an image ``name`` of a tar, with Dockerfile instructions such as ``CMD ["sh"]``."""
        pairs = [("fromSrc", "-"), ("repo", name), *(("changes", change) for change in changes)]
        status, answer = self.request("POST", f"/images/create?{urlencode(pairs)}", rootfs)
        if status != 200 or "error" in str(answer):
            raise EngineError(f"importing {name} failed: {status} {answer!r}")

    def remove_containers(self) -> None:
        """Remove every container, running or not."""
        for container in self.request("GET", "/containers/json?all=1")[1]:
            self.request("DELETE", f"/containers/{container['Id']}?force=1&v=1")

    def remove_everything(self) -> None:
        """Containers, daemon and roots: nothing of the engine is left."""
        try:
            if self._child is None:
                self.start()
            self.remove_containers()
            self.stop()
        finally:
            if self._child is not None:
                self.kill()
            _unmount_below(self.root, self.run)
            trees.remove_tree(self.root)
            shutil.rmtree(self.run, ignore_errors=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def _unmount_below(*folders: Path) -> None:
    targets = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed(targets):
        if any(Path(target).is_relative_to(folder) for folder in folders):
            mount.unmount(Path(target), detach=True)


def _free_subnet() -> str:
    """The first three numbers of one that nothing on this host has a route to."""
    routes = Path("/proc/net/route").read_text()
    while True:
        second, third = _FIRST_SUBNET + random.randrange(_SUBNETS), random.randrange(256)
        if f"\t00{third:02X}{second:02X}0A\t" not in routes:
            return f"10.{second}.{third}"


@contextmanager
def running_engine(folder: Path, flags: Sequence[str] = (), inside: Sequence[str] = ()) -> Iterator[RunningEngine]:
    """A daemon that runs inside the block, its data below ``folder``."""
    engine = RunningEngine(folder, flags, inside)
    engine.start()
    try:
        yield engine
    finally:
        engine.remove_everything()
