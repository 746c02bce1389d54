"""The collaborators that every part of this package is handed. Only ``daemon/wiring.py`` makes one."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pier.build.cache import CacheStore
from pier.build.caching.held import Held
from pier.build.caching.inuse import InUse
from pier.build.context.statcache import StatCache
from pier.build.graph import VertexId
from pier.build.progress import Progress
from pier.build.request import BuildRequest
from pier.build.session import Session
from pier.build.solving.flight import Flights
from pier.build.solving.outcome import Solved
from pier.build.steps.sandboxes import Sandboxes
from pier.content.journal import Journal
from pier.events.bus import EventBus
from pier.images.deps import Images
from pier.networks.service import Networks
from pier.remote.client import Registries
from pier.runtime.plan import HostFacts
from pier.runtime.runtime import Runtime
from pier.snapshots.snapshotter import Snapshotter


@dataclass(frozen=True, slots=True)
class Settings:
    """``cache_max``: bytes that the build cache may take, 0 for no ceiling. ``parallelism``: steps at once.

    ``cgroup_parent``: the daemon's own group. ``insecure``: ``security.insecure`` may be granted.
    """

    cache_max: int = 0
    parallelism: int = 8
    cgroup_parent: str = "/pier"
    shm_size: int = 64 * 1024 * 1024
    insecure: bool = True
    ulimits: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deps:
    """``root``: the build folder in the data root (contexts, cache mounts, checkouts). ``run``: the build folder in
    the exec root (bundles, sockets of running steps). Both are made by wiring.

    The last four are the state that the builds of this process share: records in use, executions under way, the
    layers that the cache keeps, and the networks of steps.
    """

    images: Images
    snapshots: Snapshotter
    runtime: Runtime
    host: HostFacts
    networks: Networks
    registries: Registries
    events: EventBus
    journal: Journal
    cache: CacheStore
    root: Path
    run: Path
    settings: Settings = field(default_factory=Settings)
    in_use: InUse = field(default_factory=InUse)
    flights: Flights = field(default_factory=Flights)
    held: Held = field(default_factory=Held)
    sandboxes: Sandboxes = field(default_factory=Sandboxes)
    known_files: StatCache = field(default_factory=StatCache)


@dataclass(frozen=True, slots=True)
class Build:
    """One build under way: what every operation is handed.

    ``lasting``: what is entered there (a folder of the session, pins) lasts until ``build.build`` closes it, at the
    end. ``solved``: what the solver has found so far. ``failed``: the vertices whose operation raised, the first first.
    """

    deps: Deps
    request: BuildRequest
    session: Session
    progress: Progress
    lasting: AsyncExitStack = field(default_factory=AsyncExitStack)
    solved: dict[VertexId, Solved] = field(default_factory=dict)
    failed: list[VertexId] = field(default_factory=list)
