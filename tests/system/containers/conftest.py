"""A container engine of real parts for each test, with one image: ``box``, the host's static busybox."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pier.containers import attach, create, exec, logs, start, wait
from pier.containers.config import decode_create
from pier.containers.deps import Deps
from pier.containers.wait import WaitResult
from pier.errors import PierError
from pier.logs.driver import LogQuery
from pier.testing.containers import Roots, build, dispose, import_image, reborn
from tests.compat.rootfs import busybox_rootfs


@dataclass(frozen=True)
class Ran:
    """What became of a container that ran in the foreground."""

    id: str
    stdout: str
    stderr: str
    result: WaitResult


class Box:
    """The engine under test; ``deps`` is replaced when the daemon is reborn."""

    def __init__(self, deps: Deps, roots: Roots) -> None:
        self.deps = deps
        self.roots = roots

    async def create(self, *cmd: str, name: str = "", host: dict[str, Any] | None = None, **config: Any) -> str:
        """Create a container of ``box``; members of HostConfig in ``host``, of the config as keywords."""
        body = {"Image": "box", "Cmd": list(cmd), "HostConfig": {"NetworkMode": "none", **(host or {})}, **config}
        return (await create.create(self.deps, name, decode_create(json.dumps(body).encode()))).id

    async def start(self, *cmd: str, name: str = "", host: dict[str, Any] | None = None, **config: Any) -> str:
        """Create and start in the background."""
        container_id = await self.create(*cmd, name=name, host=host, **config)
        await start.start(self.deps, container_id)
        return container_id

    async def run(self, *cmd: str, name: str = "", host: dict[str, Any] | None = None, **config: Any) -> Ran:
        """Create, attach, start, read to the end and wait, as ``docker run`` does."""
        container_id = await self.create(*cmd, name=name, host=host, **config)
        attached = await attach.attach(
            self.deps, container_id, attach.AttachOptions(stdout=True, stderr=True, stream=True)
        )
        removed = (host or {}).get("AutoRemove", False)
        ended = wait.waiter(self.deps, container_id, "removed" if removed else "next-exit")
        try:
            await start.start(self.deps, container_id)
        except PierError:
            await attached.close()
            raise
        streams = {1: b"", 2: b""}
        async for stream, data in attached:
            streams[stream] += data
        await attached.close()
        return Ran(container_id, streams[1].decode(), streams[2].decode(), await ended)

    async def exec(self, reference: str, *cmd: str, **more: Any) -> tuple[str, int | None]:
        """Execute in a running container: what it said on both streams, and its exit code."""
        request = exec.ExecRequest(cmd=cmd, attach_stdout=True, attach_stderr=True, **more)
        exec_id = await exec.create(self.deps, reference, request)
        attached = await exec.start(self.deps, exec_id)
        assert attached is not None
        said = b"".join([data async for _, data in attached]).decode()
        await attached.close()
        return said, exec.inspect(self.deps, exec_id)["ExitCode"]

    async def until_said(self, reference: str, text: str) -> None:
        """Follow the log until ``text`` is in it."""
        heard = b""
        found = await logs.logs(self.deps, reference, LogQuery(follow=True))
        async for batch in found.batches:
            heard += b"".join(entry.data for entry in batch)
            if text.encode() in heard:
                return
        raise AssertionError(f"{text!r} was never written: {heard!r}")

    async def reborn(self) -> Deps:
        """The daemon is killed with -9 and comes back."""
        self.deps = await reborn(self.deps, self.roots)
        return self.deps

    def status(self, reference: str) -> str:
        return self.deps.registry.find(reference).record.state.status


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    roots = Roots(tmp_path)
    engine = Box(await build(roots), roots)
    await import_image(engine.deps.images, busybox_rootfs(), "box", {"Cmd": ["sh"], "Env": ["FROM=image"]})
    try:
        yield engine
    finally:
        await dispose(engine.deps, roots)
