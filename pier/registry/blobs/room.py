"""Quotas count what is on its way: what an upload has brought, or has said that it will bring.

Each instance counts what comes to it; the records refuse the blob that would be too much, whoever brought it.
"""

import math
from typing import Final

from pier.registry import names
from pier.registry.blobs.coming import Coming
from pier.registry.deps import Registry
from pier.registry.model import Upload
from pier.registry.refusals import no_room

_LOOK_AGAIN: Final = 16 << 20
"""Bytes after which the project may have got fuller meanwhile."""


class Room:
    """What one upload may still bring, while somebody is at it."""

    def __init__(self, registry: Registry, upload: Upload) -> None:
        self._registry = registry
        self._id = upload.id
        self._project = names.project(upload.repository)
        self._quota = 0.0
        self._used = 0
        self._until = -1.0

    @property
    def _coming(self) -> Coming:
        return self._registry.underway.coming

    async def cover(self, size: int) -> None:
        """The upload has, or is about to have, ``size`` bytes. Raises Refusal DENIED where those are too many."""
        if size > self._until:
            await self._look()
            self._until = size + _LOOK_AGAIN
        if self._quota == math.inf:
            return
        taken = self._used + self._coming.others(self._id, self._project, self._registry.now()) + size
        if taken > self._quota:
            raise no_room(self._project, taken, int(self._quota))
        self._coming.hold(self._id, self._project, size)

    async def _look(self) -> None:
        records = self._registry.records
        rules = await records.project(self._project)
        self._quota = rules.quota if rules and rules.quota else math.inf
        if self._quota != math.inf:
            self._used = (await records.usage(self._project)).get(self._project, 0)
