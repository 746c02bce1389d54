"""What the cache has on disk, and who else needs it."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pier.build.cache import CacheRecord
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
    container needs it too. ``layers``: chain IDs of the layers that are counted here.
    """

    id: str
    record: CacheRecord
    size: int
    layers: tuple[Digest, ...] = ()
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
    return Layers(found, shared, frozenset(found.keys() - shared), used)


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
    layers = layers_of(deps, records)
    left = dict(layers.all)
    entries = []
    for record in records:
        entry = _folder(deps, record) if record.path else _step(deps, record, layers, left)
        if entry is not None:
            entries.append(entry)
    return entries + [_lone(deps, layer) for chain, layer in left.items() if chain in layers.alone]


def _folder(deps: Deps, record: CacheRecord) -> Entry | None:
    folder = deps.root / record.path
    if not folder.is_dir():
        return None
    return Entry(id_of(record.key), record, used_bytes(folder), (), _parents(record), record.key in deps.in_use)


def _step(deps: Deps, record: CacheRecord, layers: Layers, left: dict[Digest, Layer]) -> Entry | None:
    """``left``: layers that are counted nowhere yet; taken out of it are those that are counted here."""
    own = [chain for chain in deps.held.own(record) if chain in layers.all]
    if not own:
        return None
    counted = [left.pop(chain) for chain in own if chain in left]
    return Entry(
        id_of(record.key),
        record,
        sum(layer.size for layer in counted),
        tuple(layer.chain_id for layer in counted),
        _parents(record),
        any(chain in deps.images.pins for chain in own),
        all(chain in layers.shared for chain in own),
    )


def _lone(deps: Deps, layer: Layer) -> Entry:
    chain = layer.chain_id
    record = CacheRecord(key=chain, description="layer of a removed image", size=layer.size)
    return Entry(id_of(chain), record, layer.size, (chain,), in_use=chain in deps.images.pins, recorded=False)


def _parents(record: CacheRecord) -> tuple[str, ...]:
    return tuple(id_of(parent) for parent in record.parents)
