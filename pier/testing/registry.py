"""Registries for tests: Debian's Distribution registry on a loopback port, with what it needs for auth.

async with distribution(tmp_path) as registry: ...                       # open to all
async with distribution(tmp_path, htpasswd=True) as registry: ...        # USER and PASSWORD
async with token_server(tmp_path) as tokens, distribution(tmp_path, tokens=tokens) as registry: ...
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
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


@dataclass(frozen=True, slots=True)
class Distribution:
    """A running registry. ``host`` is ``127.0.0.1:port``; ``storage`` is its folder."""

    host: str
    storage: Path


def free_port() -> int:
    """A loopback TCP port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
async def running(argv: list[str], ready: bytes) -> AsyncIterator[process.Child]:
    """Run ``argv`` until the block ends; the block begins when the program prints a line with ``ready``."""
    reader, writer = os.pipe()
    child = await process.spawn(argv, stdin=process.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    stream = asyncio.StreamReader(limit=1 << 20)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb")
    )
    drain: asyncio.Task[None] | None = None
    try:
        await asyncio.wait_for(_until_ready(stream, argv, ready), 20)
        drain = asyncio.create_task(_drain(stream))
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        await child.wait()
        if drain:
            drain.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drain
        transport.close()


async def _until_ready(stream: asyncio.StreamReader, argv: list[str], ready: bytes) -> None:
    said = b""
    while line := await stream.readline():
        said += line
        if ready in line:
            return
    raise RuntimeError(f"{argv[0]} ended early: {said.decode(errors='replace')}")


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
