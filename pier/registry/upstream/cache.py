"""What comes from upstreams is kept here, and serves where they do not answer."""

from collections.abc import Awaitable
from typing import Final

from pier.errors import PierError
from pier.log import Logger
from pier.oci.digest import Digest, is_digest
from pier.oci.manifest import Descriptor
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.model import Blob, Cached
from pier.registry.refusals import Code, Refusal
from pier.registry.upstream.asking import Asking, Out, out
from pier.registry.upstream.download import Download, Wanted
from pier.registry.upstream.downloads import Downloads
from pier.registry.upstream.flights import Flights
from pier.registry.upstream.lists import Lists
from pier.registry.upstream.parts import Parts
from pier.registry.upstream.places import Place, Places
from pier.registry.upstream.sizes import Sizes

_GRACE: Final = 300
_LIST_LIFE: Final = 30
_MOST_USED: Final = 10_000
_MOST_LATE: Final = 10_000
_log: Final = Logger("pier.registry")


class Cache:
    """One a process. Make it inside the loop that uses it, and ``stop`` it there.

    What was pushed here wins over what an upstream has: callers ask the records first. Repositories are by the names
    that they have here (:meth:`Place.repository`).
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.places = Places(registry.settings.upstream)
        self.asking = Asking(self._outage)
        self._downloads = Downloads(registry, lambda upstream: self._count("blobs_fetched", upstream), self._judged)
        self._manifests: Flights[Cached] = Flights()
        self._sizes = Sizes()
        self._parts = Parts(registry.records)
        self._tags: Lists[list[str]] = Lists(_LIST_LIFE)
        self._referrers: Lists[list[Descriptor]] = Lists(_LIST_LIFE)
        self._late: dict[str, None] = {}
        self._used: dict[tuple[str, Digest], int] = {}
        self.counters: dict[str, float] = {}
        """Figures for Prometheus, by upstream: manifests that were kept, that came, that stood in; blobs that came."""
        self.gauges: dict[str, float] = {}
        """Bytes that are kept; whether it is out."""

    def _count(self, what: str, upstream: str) -> None:
        name = _figure(f"{what}_total", upstream)
        self.counters[name] = self.counters.get(name, 0) + 1

    def _outage(self, upstream: str, is_out: bool) -> None:
        self.gauges[_figure("out", upstream)] = is_out

    async def stop(self) -> None:
        await self._manifests.stop()
        await self._downloads.stop()
        await self.asking.stop()

    async def name_of(self, repository: str, registry: str, *, known: bool) -> str:
        """What a repository is called here that somebody wants to read by that name.

        It is the name itself for what is here, and for what begins with an upstream's name (the long one of two).
        ``known``: only what something was pulled through of can be meant else.
        """
        own = self.places.of(repository)
        place = own or self.places.mirrored(repository, registry)
        if place is None or place.repository == repository or await self._pushed(repository):
            return repository
        return place.repository if own or not known or await self._pulled(place.repository) else repository

    async def _pulled(self, repository: str) -> bool:
        """Whether a manifest of it is here, or was of late: there may have been no room to keep it."""
        return repository in self._late or await self._registry.records.has_cached(repository)

    async def _pushed(self, repository: str) -> bool:
        try:
            await self._registry.records.tags(repository, limit=1)
        except Refusal:
            return False
        return True

    async def manifest(self, repository: str, reference: str) -> Cached | None:
        """What a tag or digest names; None where the repository comes from no upstream.

        Raises Refusal: MANIFEST_UNKNOWN; UNAVAILABLE, TOOMANYREQUESTS where nothing kept can stand in.
        """
        place = self.places.of(repository)
        if place is None:
            return None
        if not is_digest(reference):
            names.tag(reference)
        repository = place.repository
        found = await self._registry.records.cached(repository, reference)
        if found is not None and (is_digest(reference) or self._fresh(place, found)):
            self._count("manifests_kept", place.upstream.name)
        else:
            found = await self._manifests.join((repository, reference), lambda: self._renewed(place, reference, found))
        self._sizes.learn(repository, found.data)
        self._parts.learn(repository, found.digest, found.data)
        self._late[repository] = None
        if len(self._late) > _MOST_LATE:
            del self._late[next(iter(self._late))]
        self.used(repository, found.digest)
        return found

    def _fresh(self, place: Place, found: Cached) -> bool:
        return self._registry.now() < found.checked + place.upstream.ttl

    async def _renewed(self, place: Place, reference: str, kept: Cached | None) -> Cached:
        records = self._registry.records
        try:
            if kept is not None and await self.asking.digest(place, reference) == kept.digest:
                await self._noted(place, records.check_cached(place.repository, reference, self._registry.now()))
                self._count("manifests_kept", place.upstream.name)
                return kept
            return await self._fetched(place, reference, quick=kept is not None)
        except Out as error:
            if kept is None:
                raise out(place, error) from error
            self._count("manifests_stale", place.upstream.name)
            return kept
        except Refusal as refusal:
            if kept is not None and refusal.code is Code.MANIFEST_UNKNOWN:
                await self._noted(place, records.drop_cached(place.repository, reference))
            raise

    async def _fetched(self, place: Place, reference: str, *, quick: bool) -> Cached:
        found = await self.asking.manifest(place, reference, quick=quick)
        self._count("manifests_fetched", place.upstream.name)
        tag = "" if is_digest(reference) else reference
        if tag:
            self._tags.doubt(place.repository)  # it may be newer than the list
        await self._noted(place, self._registry.records.put_cached(place.repository, found, tag, self._registry.now()))
        return found

    async def _noted(self, place: Place, note: Awaitable[object]) -> None:
        """What cannot be written down (a full disk) is no reason to refuse what somebody pulls."""
        try:
            await note
        except PierError as error:
            _log.warning("a manifest cannot be kept", repository=place.repository, reason=error.message)

    async def blob(self, repository: str, digest: Digest) -> Blob | Download:
        """Bytes that are here, or are coming. Raises Refusal BLOB_UNKNOWN, UNAVAILABLE, TOOMANYREQUESTS."""
        place = self._place(repository, digest)
        repository = place.repository
        size = await self.size(repository, digest)
        found = await self._registry.records.blob(repository, digest)
        if found is not None:
            return found
        try:
            source = self.asking.repository(place)
        except Out as error:
            raise out(place, error) from error
        return self._downloads.begin(Wanted(repository, source, digest, size))

    async def size(self, repository: str, digest: Digest) -> int:
        """Of a blob that may not be here. Raises as :meth:`blob` does."""
        place = self._place(repository, digest)
        size = self._sizes.of(place.repository, digest)
        if size is None:
            try:
                size = await self.asking.size(place, digest)
            except Out as error:
                raise out(place, error) from error
        if size is None:
            raise unknown(digest)
        return size

    async def _judged(self, repository: str, error: PierError) -> PierError:
        place = self.places.of(repository)
        return await self.asking.judged(place, error) if place else error

    def _place(self, repository: str, digest: Digest) -> Place:
        place = self.places.of(repository)
        if place is None:
            raise unknown(digest)
        return place

    async def tags(self, repository: str) -> list[str] | None:
        """What the upstream has, or what is kept where it is out; None where it has no such repository, or is none.

        Raises Refusal: UNAVAILABLE, TOOMANYREQUESTS where it does not answer and nothing is kept.
        """
        place = self.places.of(repository)
        if place is None:
            return None
        kept = await self._registry.records.cached_tags(place.repository)
        try:
            there = await self._tags.get(
                place.repository, lambda quick: self.asking.tags(place, quick=quick or bool(kept))
            )
        except Out as error:
            if not kept:
                raise out(place, error) from error
            return sorted(kept)
        except Refusal:
            return None
        return sorted(there or kept)  # some registries have no such list, and say so with an empty one

    async def referrers(self, repository: str, subject: Digest) -> list[Descriptor]:
        """What refers to a manifest there; nothing where the upstream is out, or is none."""
        place = self.places.of(repository)
        if place is None:
            return []
        try:
            return await self._referrers.get(
                (place.repository, subject), lambda quick: self.asking.referrers(place, subject, quick=True)
            )
        except (Out, Refusal):
            return []

    async def drop(self, repository: str, reference: str) -> bool:
        """Forget what is kept; whether there was anything."""
        place = self.places.of(repository)
        return place is not None and await self._registry.records.drop_cached(place.repository, reference)

    def used(self, repository: str, digest: Digest) -> None:
        """Note that it was pulled, if it is of an upstream: it goes later then."""
        place = self.places.of(repository)
        if len(self._used) < _MOST_USED and place is not None:
            self._used[place.repository, digest] = self._registry.now()

    async def keep_house(self) -> None:
        """Write down what was used, and let go of what there is no room for."""
        records, now = self._registry.records, self._registry.now()
        used, self._used = self._used, {}
        if used:
            await records.use_cached(await self._parts.with_parts(used))
        most = self._registry.settings.upstream_size
        while (surplus := await self._size() - most) > 0 and most:
            freed = await records.evict_cached(surplus, now + _GRACE)
            _log.info("let go of what was pulled through", bytes=freed)
            if not freed:
                break

    async def _size(self) -> int:
        sizes = await self._registry.records.cached_sizes()
        for upstream in {each.name for each in self.places.upstreams} | set(sizes):
            self.gauges[_figure("bytes", upstream)] = sizes.get(upstream, 0)
        return sum(sizes.values())


def _figure(what: str, upstream: str) -> str:
    return f'upstream_{what}{{upstream="{upstream}"}}'


def unknown(digest: Digest) -> Refusal:
    return Refusal(Code.BLOB_UNKNOWN, "blob unknown to registry", {"digest": digest})
