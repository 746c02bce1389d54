"""What the handlers need (contract): built once by the daemon, handed to every request."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from pier.build.deps import Deps as BuildDeps
from pier.containers.deps import Deps
from pier.events.bus import EventBus
from pier.images.deps import Images
from pier.networks.service import Networks
from pier.remote.client import Registries
from pier.volumes.service import Volumes


class System(Protocol):
    """What the daemon knows of itself and its host."""

    async def info(self) -> dict[str, Any]:
        """The body of ``GET /info``, in the newest version's shape."""

    def version(self) -> dict[str, Any]:
        """The body of ``GET /version``."""

    def headers(self) -> dict[str, str]:
        """The headers that every response carries."""

    async def findings(self, services: "Services", *, fix: bool) -> list[dict[str, Any]]:
        """What fsck finds: ``{"Kind", "Path", "Detail", "Fixed"}`` each."""


@dataclass(frozen=True, slots=True)
class Services:
    containers: Deps
    images: Images
    builds: BuildDeps
    networks: Networks
    volumes: Volumes
    events: EventBus
    registries: Registries
    system: System
    shared: dict[str, object] = field(default_factory=dict)
    """What handlers make with the first request that needs it, by name."""
