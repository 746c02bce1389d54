"""The collaborators that every verb of this package is handed. Only ``daemon/wiring.py`` makes one."""

from dataclasses import dataclass, field
from pathlib import Path

from pier.containers.background import Background
from pier.containers.registry import Registry
from pier.content.journal import Journal
from pier.events.bus import EventBus
from pier.images.deps import Images
from pier.networks.service import Networks
from pier.runtime.plan import HostFacts
from pier.runtime.runtime import Runtime
from pier.snapshots.snapshotter import Snapshotter
from pier.volumes.service import Volumes

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon's configuration says about containers. Sizes in bytes. ``init``: all have an init process.

    ``cgroup_parent`` is unique to this daemon (``/pier`` or ``/pier-<hash of root>``). ``cgroupns`` is
    ``private`` on a v2 host, ``host`` else. ``init_path`` is the program of ``--init``; None: look for one.
    """

    cgroup_parent: str = "/pier"
    cgroupns: str = "private"
    init_path: Path | None = None
    init: bool = False
    shm_size: int = 64 * 1024 * 1024
    log_max_size: int = 20 * MEGABYTE
    log_max_files: int = 5
    ulimits: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deps:
    """``root`` is the data root (containers keep their files in ``root/containers/<id>``), ``run`` the exec root."""

    registry: Registry
    images: Images
    snapshots: Snapshotter
    runtime: Runtime
    host: HostFacts
    networks: Networks
    volumes: Volumes
    events: EventBus
    journal: Journal
    root: Path
    run: Path
    background: Background = field(default_factory=Background)
    settings: Settings = field(default_factory=Settings)

    def folder(self, container_id: str) -> Path:
        """Where a container's own files are (log, hosts, hostname, resolv.conf); they survive a reboot."""
        return self.root / "containers" / container_id

    def run_folder(self, container_id: str) -> Path:
        """Where a container's sockets, bundle and exit file are; gone after a reboot."""
        return self.run / "containers" / container_id

    def log_path(self, container_id: str) -> Path:
        """The log that conmon writes, in CRI format."""
        return self.folder(container_id) / "container.log"
