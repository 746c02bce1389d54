"""Network sandboxes for steps: made once, then handed from step to step, of whatever build, and removed behind them.

A sandbox outlives its step for a second. A step leaves nothing in it: its processes have ended, and it could not
change the network without privileges. One that has privileges gets its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.networks.network import Endpoint
from pier.networks.service import Networks

_IDLE_SECONDS: Final = 1.0
_BRIDGE: Final = "bridge"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """``path``: the network namespace, None for the host's. ``endpoint``: its place on the bridge, if it has one."""

    id: str
    path: Path | None
    endpoint: Endpoint | None = None


class Sandboxes:
    """Those of one process. For one event loop."""

    def __init__(self) -> None:
        self._idle: list[Sandbox] = []
        self._making: asyncio.Task[Sandbox] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def prepare(self, networks: Networks) -> None:
        """One on the bridge will be wanted in the next milliseconds."""
        if not self._idle and self._making is None:
            self._making = asyncio.create_task(_make(networks, connected=True))
            self._making.add_done_callback(lambda made: self._prepared(networks, made))

    def _prepared(self, networks: Networks, made: asyncio.Task[Sandbox]) -> None:
        """Nobody may have come for it: the step that it was for ended before."""
        if self._making is made:
            self._making = None
            if not made.cancelled() and made.exception() is None:
                self._keep(networks, made.result())

    @asynccontextmanager
    async def lease(self, networks: Networks, mode: str, *, alone: bool = False) -> AsyncIterator[Sandbox]:
        """``mode``: default, none, host. ``alone``: nobody else has had it, or will."""
        if mode == "host":
            yield Sandbox("", None)
            return
        alone = alone or mode == "none"
        sandbox = await self._take(networks, alone=alone, connected=mode != "none")
        try:
            yield sandbox
        finally:
            if alone:
                self._end(networks, sandbox)
            else:
                self._keep(networks, sandbox)

    async def _take(self, networks: Networks, *, alone: bool, connected: bool) -> Sandbox:
        if alone:
            return await self._finished(networks, asyncio.create_task(_make(networks, connected=connected)))
        if self._idle:
            sandbox = self._idle.pop()
            self._timers.pop(sandbox.id).cancel()
            return sandbox
        self.prepare(networks)
        making, self._making = self._making, None
        assert making is not None
        return await self._finished(networks, making)

    async def _finished(self, networks: Networks, making: asyncio.Task[Sandbox]) -> Sandbox:
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            self._background(self._undo(networks, making))
            raise

    async def _undo(self, networks: Networks, making: asyncio.Task[Sandbox]) -> None:
        await asyncio.wait({making})
        if making.exception() is None:
            await _remove(networks, making.result())

    def _keep(self, networks: Networks, sandbox: Sandbox) -> None:
        self._idle.append(sandbox)
        loop = asyncio.get_running_loop()
        self._timers[sandbox.id] = loop.call_later(_IDLE_SECONDS, self._end_idle, networks, sandbox)

    def _end_idle(self, networks: Networks, sandbox: Sandbox) -> None:
        self._timers.pop(sandbox.id).cancel()
        self._idle.remove(sandbox)
        self._end(networks, sandbox)

    def _end(self, networks: Networks, sandbox: Sandbox) -> None:
        self._background(_remove(networks, sandbox))

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self, networks: Networks) -> None:
        """Remove those that nobody uses. Call it when no step runs any more."""
        if self._making is not None:
            making, self._making = self._making, None
            await self._undo(networks, making)
        for sandbox in list(self._idle):
            self._end_idle(networks, sandbox)
        while self._ending:
            await asyncio.wait(self._ending)


async def _make(networks: Networks, *, connected: bool) -> Sandbox:
    id = f"build-{secrets.token_hex(12)}"
    path = await networks.create_sandbox(id)
    if not connected:
        return Sandbox(id, path)
    try:
        endpoint = await networks.connect(id, path, networks.find(_BRIDGE), name=id)
    except BaseException:
        await networks.remove_sandbox(id)
        raise
    return Sandbox(id, path, endpoint)


async def _remove(networks: Networks, sandbox: Sandbox) -> None:
    if sandbox.endpoint is not None:
        await networks.disconnect(sandbox.endpoint)
    await networks.remove_sandbox(sandbox.id)
