"""The collaborators that every verb of this package is handed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pier.registry.blobs.underway import Underway
from pier.registry.happenings import Happening, Planner
from pier.registry.manifests.pulls import Pulls
from pier.registry.model import Job
from pier.registry.records import Records
from pier.registry.settings import Settings
from pier.registry.storage import Storage


@dataclass(frozen=True, slots=True)
class Registry:
    """One instance. ``clock`` gives seconds since 1970; ``planners`` say what is to do after pushes and deletions."""

    records: Records
    storage: Storage
    settings: Settings
    clock: Callable[[], float] = field(default=time.time)
    planners: list[Planner] = field(default_factory=list)
    pulls: Pulls = field(default_factory=Pulls)
    underway: Underway = field(default_factory=Underway)

    def now(self) -> int:
        return int(self.clock())

    def plan(self, happening: Happening) -> list[Job]:
        """All that is to do because of it."""
        return [job for planner in self.planners for job in planner(happening)]

    def keep(self) -> int:
        """How long blobs stay that a manifest needed which is deleted now.

        Somebody may be pushing another that needs them, and have been told that they are here.
        """
        return self.now() + 2 * self.settings.collect_every
