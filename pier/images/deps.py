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
            self._held.subtract(held)
            self._held += Counter()

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
    """``tmp`` is on the data root's file system and emptied at start."""

    content: ContentStore
    snapshots: Snapshotter
    store: ImageStore
    journal: Journal
    events: EventBus
    tmp: Path
    pins: Pins = field(default_factory=Pins)


def ignore_progress(message: dict[str, Any]) -> None:
    """A Progress for callers that show none."""
