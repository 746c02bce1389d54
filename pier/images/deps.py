"""The collaborators that every verb of this package is handed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from pier.content.journal import Journal
from pier.content.store import ContentStore
from pier.events.bus import EventBus
from pier.images.store import ImageStore
from pier.oci.digest import Digest
from pier.snapshots.snapshotter import Snapshotter

Progress = Callable[[dict[str, Any]], None]
"""Takes one message of Docker's JSON stream (``{"status", "id", "progressDetail"...}``). Call it on the loop."""


class Pins:
    """Layers and blobs that work under way needs, though no image names them yet. For one event loop."""

    def __init__(self) -> None:
        self._held: Counter[Digest] = Counter()
        self._locks: WeakValueDictionary[Digest, asyncio.Lock] = WeakValueDictionary()

    @contextmanager
    def hold(self, digests: Iterable[Digest]) -> Iterator[None]:
        """Keep ``digests`` (chain IDs, blob digests) from being collected inside the block."""
        held = tuple(digests)
        self._held.update(held)
        try:
            yield
        finally:
            for digest in held:
                self._held[digest] -= 1
                if not self._held[digest]:
                    del self._held[digest]

    @asynccontextmanager
    async def lock(self, digest: Digest) -> AsyncIterator[None]:
        """Be the only one that brings the blob ``digest``."""
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            yield

    def __contains__(self, digest: Digest) -> bool:
        return self._held[digest] > 0


@dataclass(frozen=True, slots=True)
class Images:
    """``tmp`` is on the data root's file system and emptied at start.

    ``holders`` say of a chain ID whether they want its layer kept, though no image has it: the build cache. They are
    asked often, and on the loop.
    """

    content: ContentStore
    snapshots: Snapshotter
    store: ImageStore
    journal: Journal
    events: EventBus
    tmp: Path
    pins: Pins = field(default_factory=Pins)
    holders: list[Callable[[Digest], bool]] = field(default_factory=list)

    def needs(self, chain_id: Digest) -> bool:
        """Whether an image, a holder or work under way wants the layer ``chain_id`` kept."""
        return (
            chain_id in self.pins
            or bool(self.store.images_with_layer(chain_id))
            or any(holds(chain_id) for holds in self.holders)
        )


def ignore_progress(message: dict[str, Any]) -> None:
    """A Progress for callers that show none."""
