"""What the cache has on disk, and who else needs it."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.bodies import Bodies
from pier.build.deps import Deps
from pier.linux.files import used_bytes
from pier.oci.digest import Digest
from pier.snapshots.snapshotter import Layer

MUTABLE: Final = ("source.local", "exec.cachemount")
"""Kinds of records whose folders change."""
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 25


class Entry(msgspec.Struct, frozen=True):
    """A record that has something on disk; or, not ``recorded``, a layer that only lies below those of records.

    ``size``: bytes; what two records share is counted with the one that was used last. ``shared``: an image or a
    container needs it too.
    """

    id: str
    record: CacheRecord
    size: int
    parents: tuple[str, ...] = ()
    in_use: bool = False
    shared: bool = False
    recorded: bool = True


def id_of(key: str) -> str:
    """The short name of a record, of the form that BuildKit gives them."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    letters = []
    for _ in range(_ID_LENGTH):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of the cache. ``shared``: those among them that an image or a container needs;
    ``alone``: those that nobody but the cache needs.

    ``used``: when a record last used each of those that records have (ns since 1970).
    """

    all: Mapping[Digest, Layer]
    shared: frozenset[Digest]
    alone: frozenset[Digest]
    used: Mapping[Digest, int]
    bodies: Bodies

    @property
    def size(self) -> int:
        """Bytes that only the cache has on disk."""
        return self.bodies.size(self.bodies.only(self.alone))


def layers_of(deps: Deps, records: Sequence[CacheRecord]) -> Layers:
    """All layers that records have, and those below them."""
    there = deps.snapshots.layers()
    in_containers = _below(there, [chain for chain in deps.snapshots.rw_snapshots().values() if chain is not None])
    used: dict[Digest, int] = defaultdict(int)
    for record in records:
        for chain in deps.held.own(record):
            used[chain] = max(used[chain], record.used)
    held = [chain for chain in used if chain in there and chain in deps.held]
    found = {chain: there[chain] for chain in _below(there, held)}
    with_image = deps.images.store.images_with_layer
    shared = frozenset(chain for chain in found if chain in in_containers or with_image(chain))
    return Layers(found, shared, frozenset(found.keys() - shared), used, Bodies(there))


def _below(layers: Mapping[Digest, Layer], tops: list[Digest]) -> set[Digest]:
    """``tops`` and all that is below them."""
    found: set[Digest] = set()
    for top in tops:
        chain: Digest | None = top
        while chain is not None and chain not in found and chain in layers:
            found.add(chain)
            chain = layers[chain].parent
    return found


def usage(deps: Deps) -> list[Entry]:
    """Everything of the cache that is on disk, what was used last first. Walks through folders: call it in a thread."""
    records = sorted(deps.cache.list(), key=lambda record: record.used, reverse=True)
    count = _Count(layers_of(deps, records))
    entries = []
    for record in records:
        entry = _folder(deps, record) if record.path else _step(deps, record, count)
        if entry is not None:
            entries.append(entry)
    left = [chain for chain in count.layers.alone if chain not in count.counted]
    return entries + [_lone(deps, count, chain) for chain in left]


class _Count:
    """Counts every layer once, and of twins one; what an image has, too, is not the cache's alone."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.counted: set[Digest] = set()
        self._bodies = {layers.bodies.of(chain) for chain in layers.alone - layers.bodies.only(layers.alone)}

    def take(self, chain: Digest) -> int:
        """The bytes of a layer that are counted nowhere yet."""
        if chain in self.counted:
            return 0
        self.counted.add(chain)
        body = self.layers.bodies.of(chain)
        if chain in self.layers.alone and body in self._bodies:
            return 0
        self._bodies.add(body)
        return self.layers.all[chain].size


def _folder(deps: Deps, record: CacheRecord) -> Entry | None:
    folder = deps.root / record.path
    if not folder.is_dir():
        return None
    return Entry(id_of(record.key), record, used_bytes(folder), _parents(record), record.key in deps.in_use)


def _step(deps: Deps, record: CacheRecord, count: _Count) -> Entry | None:
    own = [chain for chain in deps.held.own(record) if chain in count.layers.all]
    if not own:
        return None
    return Entry(
        id_of(record.key),
        record,
        sum(count.take(chain) for chain in own),
        _parents(record),
        any(chain in deps.images.pins for chain in own),
        all(chain in count.layers.shared for chain in own),
    )


def _lone(deps: Deps, count: _Count, chain: Digest) -> Entry:
    record = CacheRecord(key=chain, description="layer of a removed image")
    return Entry(id_of(chain), record, count.take(chain), in_use=chain in deps.images.pins, recorded=False)


def _parents(record: CacheRecord) -> tuple[str, ...]:
    return tuple(id_of(parent) for parent in record.parents)
