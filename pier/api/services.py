"""What the handlers need (contract): built once by the daemon, handed to every request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pier.containers.deps import Deps
    from pier.events.bus import EventBus
    from pier.images.deps import Images


class System(Protocol):
    """What the daemon knows of itself and its host."""

    async def info(self) -> dict[str, Any]:
        """The body of ``GET /info``, in the newest version's shape."""

    def version(self) -> dict[str, Any]:
        """The body of ``GET /version``."""

    def headers(self) -> dict[str, str]:
        """The headers that every response carries."""
