"""Webhooks: what happens becomes a job of each that wants it, and jobs are sent until their receiver takes them."""

import asyncio
import uuid
from fnmatch import fnmatchcase
from typing import Final

import aiohttp
import msgspec

from pier.errors import InvalidArgument
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.happenings import Happening
from pier.registry.hooks.envelope import MEDIA_TYPE, SIGNATURE, envelope, signature
from pier.registry.model import Job
from pier.registry.settings import Webhook

KIND: Final = "webhook"
_AT_ONCE: Final = 4
_TIMEOUT: Final = 10
_ATTEMPTS: Final = 15
_LONGEST_PAUSE: Final = 3600
_log: Final = Logger("pier.registry")


class Delivery(msgspec.Struct, frozen=True):
    """A job's detail. The address and the secret stay in the settings. ``body`` is JSON."""

    webhook: str
    body: str


class Webhooks:
    """``observe`` belongs to the registry's observers, ``deliver`` to its periodic work."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._hooks = {hook.name: hook for hook in registry.settings.webhook}
        if len(self._hooks) < len(registry.settings.webhook):
            raise InvalidArgument("two webhooks have the same name")

    async def observe(self, happening: Happening) -> None:
        now = self._registry.now()
        for hook in self._hooks.values():
            if happening.kind in hook.events and any(fnmatchcase(happening.repository, each) for each in hook.names):
                id = uuid.uuid4().hex
                detail = msgspec.json.encode(Delivery(hook.name, envelope(happening, id).decode()))
                await self._registry.records.add_job(Job(id=id, kind=KIND, detail=detail, due=now, created=now))

    async def deliver(self) -> None:
        """All that are due."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work(http))

    async def _work(self, http: aiohttp.ClientSession) -> None:
        while True:
            now = self._registry.now()
            job = await self._registry.records.take_job((KIND,), now, now + 3 * _TIMEOUT)
            if job is None:
                return
            try:
                await self._done(http, job)
            except asyncio.CancelledError:  # the registry stops: whoever starts next need not wait for our time to end
                await self._registry.records.put_off_job(job.id, now, "the registry was stopped")
                raise

    async def _done(self, http: aiohttp.ClientSession, job: Job) -> None:
        delivery = msgspec.json.decode(job.detail, type=Delivery)
        hook = self._hooks.get(delivery.webhook)
        error = await _send(http, hook, delivery.body.encode()) if hook else ""
        await self._settle(job, delivery, error)

    async def _settle(self, job: Job, delivery: Delivery, error: str) -> None:
        attempts = job.attempts + 1
        if error and attempts < _ATTEMPTS:
            due = self._registry.now() + min(2**attempts, _LONGEST_PAUSE)
            await self._registry.records.put_off_job(job.id, due, error)
            return
        if error:
            _log.warning("a webhook was given up", name=delivery.webhook, attempts=attempts, reason=error)
        await self._registry.records.end_job(job.id)


async def _send(http: aiohttp.ClientSession, hook: Webhook, body: bytes) -> str:
    """What went wrong; empty: it was taken."""
    headers = {"Content-Type": MEDIA_TYPE}
    if hook.secret:
        headers[SIGNATURE] = signature(hook.secret, body)
    try:
        async with http.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
            return "" if 200 <= answer.status < 300 else f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
