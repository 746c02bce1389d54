"""What a manifest needs is used whenever that is, also where clients had it already and did not ask for it."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from pier.oci.digest import Digest, is_digest
from pier.registry.records import Records

Used = dict[tuple[str, Digest], int]
"""When a manifest or blob of a repository was used last."""

_MOST: Final = 20_000


class _Part(msgspec.Struct):
    digest: str = ""


class _Document(msgspec.Struct):
    config: _Part | None = None
    layers: list[_Part] | None = None
    blobs: list[_Part] | None = None
    manifests: list[_Part] | None = None


class Parts:
    """Manifests are read once, and remembered by what they need: the last 20,000."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: OrderedDict[tuple[str, Digest], tuple[Digest, ...]] = OrderedDict()

    def learn(self, repository: str, digest: Digest, data: bytes) -> None:
        """From a manifest's bytes."""
        self._remember((repository, digest), tuple(_parts(data)))

    async def with_parts(self, used: Mapping[tuple[str, Digest], int]) -> Used:
        """``used``, and what the manifests in it need, whether it is kept or not."""
        found = dict(used)
        waiting = list(used)
        while waiting and len(found) < _MOST:
            key = waiting.pop()
            for part in await self._of(key):
                if found.get((key[0], part), -1) < found[key]:
                    found[key[0], part] = found[key]
                    waiting.append((key[0], part))
        return found

    async def _of(self, key: tuple[str, Digest]) -> tuple[Digest, ...]:
        if key not in self._known:
            cached = await self._records.cached(*key)
            self._remember(key, tuple(_parts(cached.data)) if cached else ())
        self._known.move_to_end(key)
        return self._known[key]

    def _remember(self, key: tuple[str, Digest], parts: tuple[Digest, ...]) -> None:
        self._known[key] = parts
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def _parts(data: bytes) -> Iterator[Digest]:
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return
    for part in (document.config, *(document.layers or ()), *(document.blobs or ()), *(document.manifests or ())):
        if part is not None and is_digest(part.digest):
            yield Digest(part.digest)
