"""Webhooks: what happens becomes a job of each that wants it, and jobs are sent until their receiver takes them."""

import uuid
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import aiohttp
import msgspec

from pier.errors import Unavailable
from pier.registry.deps import Registry
from pier.registry.happenings import Happening
from pier.registry.hooks.addresses import TIMEOUT, check, reason
from pier.registry.hooks.envelope import MEDIA_TYPE, SIGNATURE, envelope, signature
from pier.registry.jobs import Kind, Worker
from pier.registry.model import Job
from pier.registry.remotes import AGENT
from pier.registry.settings import Webhook

FAMILY: Final = "webhook"
_AT_ONCE: Final = 4
_TIMEOUT: Final = aiohttp.ClientTimeout(total=TIMEOUT)


class Delivery(msgspec.Struct, frozen=True):
    """A job's detail. The address and the secret stay in the settings. ``body`` is JSON."""

    webhook: str
    body: str


class Webhooks:
    """``plan`` belongs to the registry's planners; ``worker`` has to run."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._hooks = {hook.name: hook for hook in registry.settings.webhook}
        check(registry.settings.webhook)
        self.worker = Worker(registry, FAMILY, dict.fromkeys(self._hooks, Kind(self._deliver, at_once=_AT_ONCE)))

    def plan(self, happening: Happening) -> Iterator[Job]:
        now = self._registry.now()
        for hook in self._hooks.values():
            if happening.kind in hook.events and any(fnmatchcase(happening.repository, each) for each in hook.names):
                id = uuid.uuid4().hex
                body = envelope(happening, id, self._registry.settings.service).decode()
                detail = msgspec.json.encode(Delivery(hook.name, body))
                yield Job(id=id, kind=f"{FAMILY}/{hook.name}", detail=detail, due=now, created=now)

    async def _deliver(self, job: Job) -> None:
        """Raises Unavailable where the receiver did not take it."""
        delivery = msgspec.json.decode(job.detail, type=Delivery)
        hook = self._hooks[delivery.webhook]
        body = delivery.body.encode()
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.post(hook.url, data=body, headers=_headers(hook, body), allow_redirects=False) as answer,
            ):
                if not 200 <= answer.status < 300:
                    raise Unavailable(f"the receiver answered with status {answer.status}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(reason(error)) from error


def _headers(hook: Webhook, body: bytes) -> dict[str, str]:
    headers = {"Content-Type": MEDIA_TYPE, "User-Agent": AGENT}
    if hook.secret:
        headers[SIGNATURE] = signature(hook.secret, body)
    return headers
