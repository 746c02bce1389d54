"""The registry client: find the place that answers for a registry, and hand out repositories there.

    registries = Registries(Settings())                     # one for the daemon
    repository = await registries.repository(reference, credentials)
    found = await fetch.manifest(repository, reference)     # see fetch and push for the verbs

Protocol: OCI distribution specification 1.1, which is Docker's registry HTTP API v2.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import Final

from pier.errors import PierError
from pier.log import Logger
from pier.oci.reference import Reference
from pier.remote.backoff import pause
from pier.remote.challenge import Challenge, parse_challenges
from pier.remote.failures import is_temporary, refusal
from pier.remote.repository import Repository
from pier.remote.resolver import Endpoint, endpoints, mirrors
from pier.remote.settings import Credentials, Settings
from pier.remote.transport import Transport

_log = Logger("pier.remote")

_ERROR_BODY: Final = 64 * 1024
_SILENCE: Final = 60.0
"""Seconds for which a mirror that did not answer is not asked again."""


class Registries:
    """All registries, for as long as the daemon runs: one connection pool and the shared limits."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.transport = Transport(self.settings)
        self._silent: dict[Endpoint, float] = {}
        self.reconfigure(self.settings)

    def reconfigure(self, settings: Settings) -> None:
        """Take over other settings; what is under way goes on with the old ones. Mirrors are asked again."""
        self._silent.clear()
        self.settings = self.transport.settings = settings
        self.downloads = asyncio.Semaphore(settings.max_downloads)
        self.uploads = asyncio.Semaphore(settings.max_uploads)

    async def close(self) -> None:
        await self.transport.close()

    async def repository(
        self, reference: Reference, credentials: Credentials | None = None, *, push: bool = False
    ) -> Repository:
        """Find the endpoint that answers for ``reference`` and learn how it wants to be asked."""
        return await self._first(
            endpoints(reference.domain, self.settings),
            lambda endpoint, challenges: Repository(
                self.transport, endpoint, reference, challenges, credentials, push=push
            ),
        )

    async def sources(self, reference: Reference, credentials: Credentials | None) -> AsyncGenerator[Repository, None]:
        """Where ``reference`` may be pulled from, one after the other: mirrors that answer, then the registry itself.

        Raises what :meth:`repository` does, once it comes to that.
        """
        for endpoint in mirrors(reference.domain, self.settings):
            if self._silent.get(endpoint, 0.0) > time.monotonic():
                continue
            try:
                challenges = await self._ping(endpoint)
            except PierError as error:
                _log.warning("mirror does not answer", mirror=str(endpoint.base), error=error.message)
                self._silent[endpoint] = time.monotonic() + _SILENCE
            else:
                self._silent.pop(endpoint, None)
                yield Repository(self.transport, endpoint, reference, challenges, None)
        yield await self.repository(reference, credentials)

    async def connect(self, domain: str, credentials: Credentials | None) -> Repository:
        """The registry ``domain`` itself, for a login: a repository without a name."""
        return await self._first(
            endpoints(domain, self.settings),
            lambda endpoint, challenges: Repository(
                self.transport, endpoint, Reference(domain, ""), challenges, credentials
            ),
        )

    async def _first(
        self, candidates: list[Endpoint], make: Callable[[Endpoint, list[Challenge]], Repository]
    ) -> Repository:
        failure: PierError | None = None
        for endpoint in candidates:
            try:
                return make(endpoint, await self._ping(endpoint))
            except PierError as error:
                _log.debug("registry endpoint does not answer", endpoint=str(endpoint.base), error=str(error))
                failure = error
        assert failure is not None
        raise failure

    async def _ping(self, endpoint: Endpoint) -> list[Challenge]:
        patience = self.settings.mirror_timeout if endpoint.mirror else self.settings.ping_timeout
        last = 1 if endpoint.mirror else self.settings.attempts
        for attempt in range(1, last + 1):
            answer = await self.transport.send("GET", endpoint.v2, endpoint, {}, patience=patience)
            body = await self.transport.read(answer, _ERROR_BODY)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                return parse_challenges(answer.headers.getall("WWW-Authenticate", []))
            if not is_temporary(answer.status):
                break  # some registries have no /v2/ and still have manifests
            delay = pause(self.settings, attempt, answer.headers.get("Retry-After", ""))
            if attempt == last or delay > self.settings.longest_delay:
                raise refusal(answer.status, body).error()
            _log.info("registry is busy", registry=endpoint.host, status=answer.status, wait=round(delay, 1))
            await asyncio.sleep(delay)
        return []
