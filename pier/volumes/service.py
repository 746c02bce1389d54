"""Volumes: the service that containers and the API call. Synchronous; large removals and sizes belong in a thread."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pier.content.journal import Journal
from pier.volumes.store import VolumeStore
from pier.volumes.volume import InUse, Volume


class Volumes:
    """Thread-safe. ``root`` is ``<data root>/volumes``; ``in_use`` asks who refers to a volume."""

    def __init__(self, root: Path, store: VolumeStore, journal: Journal, in_use: InUse) -> None:
        self._root = root
        self._store = store
        self._journal = journal
        self._in_use = in_use

    def start(self) -> None:
        """Finish or undo what a killed daemon had begun."""
        raise AssertionError

    def create(
        self,
        name: str = "",
        driver: str = "local",
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make it, or return the one of that name; an empty name makes an anonymous one (64 hex digits)."""
        raise AssertionError

    def get(self, name: str) -> Volume:
        """NotFound: ``get x: no such volume``."""
        raise AssertionError

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> Sequence[Volume]:
        """Filters: ``dangling``, ``name``, ``label``, ``driver``; of any other InvalidArgument."""
        raise AssertionError

    def remove(self, name: str, *, force: bool = False) -> None:
        """Conflict ``remove x: volume is in use - [id, ...]``; ``force`` forgives a volume that does not exist."""
        raise AssertionError

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> tuple[Sequence[str], int]:
        """Remove the unused anonymous ones (all unused ones with filter ``all=true``): names, and bytes freed."""
        raise AssertionError

    def size(self, name: str) -> int:
        """Bytes that the volume's files occupy."""
        raise AssertionError

    def acquire(self, name: str, user: str) -> Path:
        """The data folder, mounted first where the volume's options ask for it. ``user`` is a container ID."""
        raise AssertionError

    def release(self, name: str, user: str) -> None:
        """Undo :meth:`acquire`; the last user's release unmounts. Idempotent."""
        raise AssertionError
