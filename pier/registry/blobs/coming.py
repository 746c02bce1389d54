"""Bytes on their way into each project that has a quota (pure)."""

import math
from dataclasses import dataclass
from typing import Final

_IDLE: Final = 60
"""Seconds that an upload counts between two of its requests: one that was left must not keep others out for a day."""


@dataclass(slots=True)
class _Share:
    project: str
    size: int
    until: float


class Coming:
    """One an instance."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def others(self, id: str, project: str, now: float) -> int:
        """Bytes of all uploads to the project but ``id``."""
        self._shares = {key: share for key, share in self._shares.items() if share.until > now}
        return sum(share.size for key, share in self._shares.items() if share.project == project and key != id)

    def hold(self, id: str, project: str, size: int) -> None:
        """Somebody is at the upload, which has so many bytes or is about to."""
        self._shares[id] = _Share(project, size, math.inf)

    def rest(self, id: str, size: int, now: float) -> None:
        """Nobody is at it just now; it has so many bytes."""
        if id in self._shares:
            self._shares[id] = _Share(self._shares[id].project, size, now + _IDLE)

    def end(self, id: str) -> None:
        """It is a blob now, or nothing."""
        self._shares.pop(id, None)
