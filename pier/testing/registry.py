"""Registries for tests: Debian's Distribution registry on a loopback port, with what it needs for auth.

async with distribution(tmp_path) as registry: ...                       # open to all
async with distribution(tmp_path, htpasswd=True) as registry: ...        # USER and PASSWORD
async with token_server(tmp_path) as tokens, distribution(tmp_path, tokens=tokens) as registry: ...
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pier.linux import process
from pier.testing.tokens import TokenServer

PROGRAM: Final = "/usr/bin/docker-registry"
USER: Final = "pier"
PASSWORD: Final = "sekret"
_HTPASSWD: Final = f"{USER}:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n"
_READY: Final = b"listening on"
_PORTS: Final = range(20_000, 32_768)  # the kernel gives those from 32,768, net.ipv4.ip_local_port_range
_RESERVATIONS: Final = 200
_reserved: deque[int] = deque()
PATIENCE: Final = 60.0
"""Seconds that a program may take to listen: a busy machine needs ten times what an idle one does."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A running registry. ``host`` is ``127.0.0.1:port``; ``storage`` is its folder."""

    host: str
    storage: Path


def free_port(address: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has, none of those that the kernel gives: no client takes it before the server does.

    Nor do other tests on this host, side by side with this one, until this process has asked for many more.
    """
    while True:
        port = random.choice(_PORTS)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            _reserve(port)
            return port


def _reserve(port: int) -> None:
    """By a name that one process can have, and that goes with it (unix(7), abstract). OSError: another has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
        name.bind(f"\0pier-test-port-{port}")
        _reserved.append(name.detach())
    if len(_reserved) > _RESERVATIONS:
        os.close(_reserved.popleft())


@asynccontextmanager
async def distribution(
    folder: Path, *, htpasswd: bool = False, tokens: TokenServer | None = None, tls: tuple[Path, Path] | None = None
) -> AsyncIterator[Distribution]:
    """Run a registry with its storage under ``folder``; ``tls`` is a certificate and its key."""
    port = free_port()
    home = folder / f"registry-{port}"
    home.mkdir(parents=True)
    (home / "htpasswd").write_text(_HTPASSWD)
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(home / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if tls:
        config["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    if htpasswd:
        config["auth"] = {"htpasswd": {"realm": "basic-realm", "path": str(home / "htpasswd")}}
    if tokens:
        config["auth"] = {"token": tokens.registry_settings()}
    (home / "config.json").write_text(json.dumps(config))  # JSON is YAML
    async with running([PROGRAM, "serve", str(home / "config.json")], _READY):
        yield Distribution(f"127.0.0.1:{port}", home / "storage")


@asynccontextmanager
async def running(argv: list[str], ready: bytes, log: Path | None = None) -> AsyncIterator[process.Child]:
    """Run ``argv`` until the block ends; the block begins when the program prints a line with ``ready``.

    What it prints is added to ``log``.
    """
    reader, writer = os.pipe()
    child = await process.spawn(argv, stdin=process.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    output = _Output(reader, ready, log)
    try:
        if not await asyncio.wait_for(output.listens, PATIENCE):
            raise RuntimeError(f"{argv[0]} ended early: {output.said.decode(errors='replace')}")
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        await child.wait()
        output.thread.join()


class _Output:
    """Reads what a program prints, in a thread: a test that blocks the loop must not block the program.

    ``listens`` becomes true with the first line that has ``ready`` in it, false when the program ends before.
    """

    def __init__(self, descriptor: int, ready: bytes, log: Path | None) -> None:
        self.said = b""
        self._log = log
        self._loop = asyncio.get_running_loop()
        self.listens: asyncio.Future[bool] = self._loop.create_future()
        self.thread = threading.Thread(target=self._read, args=(descriptor, ready), daemon=True)
        self.thread.start()

    def _read(self, descriptor: int, ready: bytes) -> None:
        with os.fdopen(descriptor, "rb") as pipe, open(self._log or os.devnull, "ab", buffering=0) as log:
            for line in pipe:
                self.said += line
                log.write(line)
                if ready in line:
                    self._tell(True)
                    break
            else:
                self._tell(False)
            while data := pipe.read1():
                log.write(data)

    def _tell(self, listens: bool) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._settle, listens)

    def _settle(self, listens: bool) -> None:
        if not self.listens.done():
            self.listens.set_result(listens)
