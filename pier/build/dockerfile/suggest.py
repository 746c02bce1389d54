"""``(did you mean X?)`` (pure)."""

from collections.abc import Iterable
from typing import Final

_NEAR: Final = 2
_LONGEST: Final = 32


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """With a space before it; empty where nothing is near. Swapped neighbours count as one slip."""
    if not word or len(word) > _LONGEST:
        return ""
    by_distance = sorted((distance(word, candidate), candidate) for candidate in known)
    if not by_distance or by_distance[0][0] > _NEAR or by_distance[0][0] == 0:
        return ""
    return f" (did you mean {by_distance[0][1]}?)"


def distance(one: str, other: str) -> int:
    """Letters changed, added, left out, or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
