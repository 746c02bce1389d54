"""Where volumes are remembered (contract). Synchronous, each call well under 1 ms, thread-safe."""

from typing import Protocol

from pier.volumes.volume import Volume


class VolumeStore(Protocol):
    def volumes(self) -> list[Volume]:
        """All volumes, by name."""

    def volume(self, name: str) -> Volume | None:
        """The volume of that name."""

    def put_volume(self, volume: Volume) -> None:
        """Insert, or replace the one of the same name."""

    def delete_volume(self, name: str) -> None:
        """Forget it; an unknown name is no error."""
