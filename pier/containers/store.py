"""Where container records are kept (contract). Synchronous, each call well under 1 ms, thread-safe."""

from typing import Protocol

from pier.containers.container import Container


class ContainerStore(Protocol):
    def containers(self) -> list[Container]:
        """All records, oldest first."""

    def put_container(self, container: Container) -> None:
        """Insert, or replace the record of the same ID. Conflict when another ID has its name."""

    def delete_container(self, container_id: str) -> None:
        """Forget it; an unknown ID is no error."""
