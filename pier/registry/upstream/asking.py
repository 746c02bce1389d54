"""Questions to an upstream. One that does not answer is left alone for a while, so that nobody waits for it twice."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final, TypeVar

from pier.errors import DataCorrupted, DeadlineExceeded, Forbidden, NotFound, PierError, Unauthorized, Unavailable
from pier.log import Logger
from pier.oci.digest import Digest
from pier.oci.manifest import Descriptor
from pier.oci.reference import Reference
from pier.registry.doubts import REFUSED, UNREADABLE, doubt
from pier.registry.manifests import document
from pier.registry.model import Cached
from pier.registry.refusals import Code, Refusal
from pier.registry.remotes import AGENT, Remotes, credentials
from pier.registry.settings import Upstream
from pier.registry.upstream.places import Place
from pier.remote import fetch, referrers
from pier.remote.repository import Repository, Request
from pier.remote.settings import Credentials, Settings

T = TypeVar("T")

_REST: Final = 15.0
_MOST_KEPT: Final = 512
_QUICK: Final = Settings(user_agent=AGENT, attempts=1, stall_timeout=5.0)
_THOROUGH: Final = Settings(user_agent=AGENT, attempts=2)
"""Those who ask here try again themselves."""
_log: Final = Logger("pier.registry")


class Out(Exception):
    """The upstream is out, wants to be left alone, or answers nonsense: what is kept has to do.

    ``reason`` is the line for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Asking:
    """One a process. Make it inside the loop that uses it, and ``stop`` it there.

    ``outage`` is told of an upstream that is out, and of one that answers again.
    ``quick`` questions are those that something else can stand in for: nothing is tried twice, nor waited for long.
    """

    def __init__(self, outage: Callable[[str, bool], None]) -> None:
        self._outage = outage
        self._remotes = {True: Remotes(_QUICK), False: Remotes(_THOROUGH)}
        self._repositories: OrderedDict[tuple[str, bool], tuple[Credentials | None, Repository]] = OrderedDict()
        self._resting: dict[str, tuple[float, str]] = {}
        self._refused: dict[str, Credentials | None] = {}

    async def stop(self) -> None:
        for remotes in self._remotes.values():
            await remotes.stop()

    def trouble(self, upstream: str) -> str:
        """Why it is left alone just now; empty where it is not."""
        until, reason = self._resting.get(upstream, (0.0, ""))
        return reason if until > time.monotonic() else ""

    async def digest(self, place: Place, reference: str) -> Digest | None:
        """What a tag names there now, None where that is not told. Raises Out, Refusal."""
        return await self._ask(place, True, lambda there: fetch.manifest_digest(there, _named(there, reference)))

    async def manifest(self, place: Place, reference: str, *, quick: bool = False) -> Cached:
        """Raises Out, Refusal."""
        return await self._ask(place, quick, lambda there: _manifest(there, reference))

    async def size(self, place: Place, digest: Digest) -> int | None:
        """How many bytes a blob has; None where it is not there, or not told. Raises Out, Refusal."""
        return await self._ask(place, False, lambda there: _size(there, digest))

    async def tags(self, place: Place, *, quick: bool) -> list[str]:
        """Raises Out, Refusal."""
        return await self._ask(place, quick, fetch.tags)

    async def referrers(self, place: Place, subject: Digest, *, quick: bool) -> list[Descriptor]:
        """Raises Out, Refusal."""
        return await self._ask(place, quick, lambda there: referrers.referrers(there, subject))

    def repository(self, place: Place, *, quick: bool = False) -> Repository:
        """For what goes on for longer: a blob. It is kept, with its tokens, until our password there is another one.

        Raises Out where that cannot be read, or was refused a moment ago: accounts are locked for trying on.
        """
        key, name = (place.repository, quick), place.upstream.name
        ours = self._readable(place, lambda: credentials(place.upstream))
        if name in self._refused and self._refused[name] == ours and (reason := self.trouble(name)):
            raise Out(reason)
        known, found = self._repositories.pop(key, (None, None))
        if found is None or known != ours:
            found = self._readable(place, lambda: self._remotes[quick].repository(place.upstream, place.name))
        self._repositories[key] = (ours, found)
        if len(self._repositories) > _MOST_KEPT:
            self._repositories.popitem(last=False)
        return found

    def _readable(self, place: Place, made: Callable[[], T]) -> T:
        try:
            return made()
        except PierError as error:
            _log.error("an upstream cannot be asked", upstream=place.upstream.name, error=error)
            raise Out(UNREADABLE) from error

    async def _ask(self, place: Place, quick: bool, question: Callable[[Repository], Awaitable[T]]) -> T:
        name = place.upstream.name
        if quick and (reason := self.trouble(name)):
            raise Out(reason)
        there = self.repository(place, quick=quick)
        try:
            answer = await question(there)
        except (Unavailable, DeadlineExceeded) as error:
            self._rest(name, error.message)
            raise Out(error.message) from error
        except (NotFound, Forbidden, Unauthorized) as error:
            if quick or isinstance(error, Unauthorized) or name in self._resting:
                await self._doubt(place.upstream, error)
            text = f"manifest unknown to {name}: {error.message}"
            raise Refusal(Code.MANIFEST_UNKNOWN, text) from error
        except PierError as error:
            raise Out(error.message) from error
        self._is_well(name)
        return answer

    async def judged(self, place: Place, error: PierError) -> PierError:
        """What a blob's failure is to those who wait for it: a password that is refused says nothing of the blob."""
        if isinstance(error, Unauthorized):
            try:
                await self._doubt(place.upstream, error)
            except Out as out:
                return Unavailable(out.reason)
        return error

    async def _doubt(self, upstream: Upstream, error: PierError) -> None:
        reason = await doubt(self._remotes[True], upstream)
        if reason:
            if reason.startswith(REFUSED):
                with suppress(PierError):
                    self._refused[upstream.name] = credentials(upstream)
            self._rest(upstream.name, reason)
            raise Out(reason) from error
        self._is_well(upstream.name)

    def _is_well(self, name: str) -> None:
        self._refused.pop(name, None)
        if self._resting.pop(name, None):
            _log.info("an upstream answers again", upstream=name)
            self._outage(name, False)

    def _rest(self, name: str, reason: str) -> None:
        if not self.trouble(name):
            _log.warning("an upstream is out", upstream=name, reason=reason)
        self._resting[name] = (time.monotonic() + _REST, reason)
        self._outage(name, True)


async def _manifest(there: Repository, reference: str) -> Cached:
    """Raises DataCorrupted where what comes is none: some networks answer everything with a page of their own."""
    came = await fetch.manifest(there, _named(there, reference))
    try:
        manifest, _ = document.read(came.data, came.media_type)
    except Refusal as error:
        raise DataCorrupted(f"what came as {reference} is no manifest: {error.detail}") from error
    return Cached(digest=came.digest, media_type=manifest.media_type, data=came.data)


async def _size(there: Repository, digest: Digest) -> int | None:
    answer = await there.open(Request("HEAD", f"blobs/{digest}", ok=(200, 404, 405)))
    answer.release()
    return answer.content_length if answer.status == HTTPStatus.OK else None


def _named(there: Repository, reference: str) -> Reference:
    if ":" in reference:
        return there.reference._replace(digest=Digest(reference))
    return there.reference._replace(tag=reference)


def out(place: Place, error: Out) -> Refusal:
    """Where nothing that is kept can stand in."""
    return silent(place.upstream.name, error.reason)


def silent(upstream: str, reason: str) -> Refusal:
    """The upstream gives no answer that anybody could use, ``reason``."""
    text = f"the upstream {upstream} does not answer as it should: {reason}"
    if reason.startswith("toomanyrequests"):
        return Refusal(Code.TOOMANYREQUESTS, text, headers={"Retry-After": str(int(_REST))})
    return Refusal(Code.UNAVAILABLE, text)
