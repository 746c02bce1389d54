"""Replications by the clock: one instance alone asks for them, at the time that all of them know."""

import uuid
from datetime import datetime
from typing import Final

from pier.registry.deps import Registry
from pier.registry.replication.rules import due
from pier.registry.replication.tasks import FAMILY, begin
from pier.registry.settings import Replication

EVERY: Final = 5
"""Seconds between two looks at the clock."""


class Schedule:
    """:meth:`look` is to be called every :data:`EVERY` seconds. ``at`` is meant by this host's clock."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._rules = [rule for rule in registry.settings.replication if rule.every or rule.at]
        self._holder = uuid.uuid4().hex

    async def look(self) -> None:
        for rule in self._rules:
            now = self._registry.now()
            if await self._registry.records.lock(f"{FAMILY}/{rule.name}", self._holder, now, now + 4 * EVERY):
                await self._look(rule, now)

    async def _look(self, rule: Replication, now: int) -> None:
        """Who dies between the two notes leaves a job, that :func:`begin` finds."""
        records, key = self._registry.records, f"{FAMILY}/{rule.name}/asked"
        noted = await records.setting(key)
        last = datetime.fromtimestamp(int(noted)).astimezone() if noted else None
        is_due = due(rule, last, datetime.fromtimestamp(now).astimezone())
        if is_due:
            await begin(records, rule, now)
        if is_due or noted is None:
            await records.put_setting(key, str(now).encode())
