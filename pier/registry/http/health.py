"""Whether this instance lives, whether it can serve, and what it has done: ``/healthz``, ``/readyz``, ``/metrics``."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from pier.errors import PierError
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.http.metrics import TYPE, Metrics
from pier.registry.http.replies import document
from pier.registry.principal import Caller

_PATIENCE: Final = 5
_log: Final = Logger("pier.registry")


@dataclass(slots=True)
class Health:
    """``stopping`` is set when the process is asked to end: a balancer should send nobody any more."""

    registry: Registry
    metrics: Metrics
    stopping: bool = False

    async def alive(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        return document({"status": "ok"})

    async def ready(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """200 where the database and the storage answer; else 503 that names what does not, and the log says why."""
        parts = {"database": self.registry.records.healthy(), "storage": self.registry.storage.healthy()}
        states = await asyncio.gather(*(_state(name, check) for name, check in parts.items()))
        found = dict(zip(parts, states, strict=True))
        if self.stopping:
            found["process"] = "stopping"
        well = not self.stopping and all(state == "ok" for state in states)
        answer = document({"status": "ok" if well else "unavailable", **found})
        answer.set_status(200 if well else 503)
        return answer

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
