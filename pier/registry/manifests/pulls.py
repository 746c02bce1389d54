"""How often what was pulled: gathered here, and written down now and then, since a pull is not worth a transaction."""

from collections import Counter
from typing import Final

from pier.registry.records import Manifests

_MOST: Final = 10_000


class Pulls:
    """Counts since the last :meth:`flush`, by repository and reference (a tag or a digest)."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def note(self, repository: str, reference: str) -> None:
        counts = self._counts.setdefault(repository, Counter())
        if reference in counts or len(counts) < _MOST:
            counts[reference] += 1

    async def flush(self, records: Manifests, now: int) -> None:
        """Write down what was counted. What cannot be written is lost: it is statistics."""
        counts, self._counts = self._counts, {}
        for repository, references in counts.items():
            await records.pulled(repository, dict(references), now)
