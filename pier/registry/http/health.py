"""Whether this instance lives, whether it can serve, and what it has done: ``/healthz``, ``/readyz``, ``/metrics``."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from pier.errors import PierError
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.http.metrics import TYPE, Metrics
from pier.registry.http.replies import document
from pier.registry.principal import Caller

_PATIENCE: Final = 5
_FRESH: Final = 1.0
_log: Final = Logger("pier.registry")


@dataclass(slots=True)
class Health:
    """``stopping`` is set when the process is asked to end: a balancer should send nobody any more.

    Database and storage are asked once a second at most, whoever wants to know: each answer costs them a durable write,
    and there is no limit for those who ask.
    """

    registry: Registry
    metrics: Metrics
    stopping: bool = False
    _looking: asyncio.Task[dict[str, str]] | None = field(default=None, init=False)
    _fresh_until: float = field(default=0.0, init=False)

    async def alive(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        return document({"status": "ok"})

    async def ready(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """200 where the database and the storage answer; else 503 that names what does not, and the log says why."""
        found = dict(await self._parts())
        if self.stopping:
            found["process"] = "stopping"
        well = all(state == "ok" for state in found.values())
        answer = document({"status": "ok" if well else "unavailable", **found})
        answer.set_status(200 if well else 503)
        return answer

    async def _parts(self) -> dict[str, str]:
        if self._looking is None or (self._looking.done() and time.monotonic() > self._fresh_until):
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> dict[str, str]:
        parts = {"database": self.registry.records.healthy(), "storage": self.registry.storage.healthy()}
        states = await asyncio.gather(*(_state(name, check) for name, check in parts.items()))
        self._fresh_until = time.monotonic() + _FRESH
        return dict(zip(parts, states, strict=True))

    async def show(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        return web.Response(body=self.metrics.text().encode(), headers={"Content-Type": TYPE})


async def _state(name: str, check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check
    except (PierError, TimeoutError) as error:
        _log.warning("not ready", part=name, reason=str(error) or "no answer")
        return "unavailable"
    return "ok"
