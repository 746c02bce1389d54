"""What repeats of refusals is counted: a flood of them must not fill the disk with lines that say the same.

By address and reason, for a minute at a time: the first of each event, name and repository is told at once, up to
thirty of them; how often each came again, and how many there were beyond those, is told when the minute is over.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pier.registry.access.limits import house_of

_MINUTE: Final = 60.0
_DIFFERENT: Final = 30
_MOST: Final = 1_000
OTHERS: Final = "others"
"""The event of a line that counts what was beyond the thirty."""

Fields = dict[str, Any]


@dataclass(slots=True)
class _Minute:
    """``told`` has what was told, and how often it came again."""

    began: float
    told: dict[tuple[Any, ...], tuple[Fields, int]] = field(default_factory=dict)
    others: int = 0

    def sums(self, result: str) -> Iterator[Fields]:
        address = ""
        for fields, times in self.told.values():
            address = fields["address"]
            if times:
                yield {**fields, "times": times}
        if self.others:
            yield {"event": OTHERS, "address": address, "result": result, "times": self.others}


class Floods:
    """Of one audit log. Fields are those of its lines."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: OrderedDict[tuple[str, str], _Minute] = OrderedDict()

    def is_new(self, fields: Fields) -> bool:
        """Whether a refusal is to be told at once; it is counted else."""
        place = (house_of(fields["address"]), fields["result"])
        minute = self._minutes.get(place)
        if minute is None:
            minute = self._minutes[place] = _Minute(self._clock())
        what = (fields["event"], fields["who"], fields.get("repository", ""))
        if what in minute.told:
            first, times = minute.told[what]
            minute.told[what] = (first, times + 1)
        elif len(minute.told) < _DIFFERENT:
            minute.told[what] = (fields, 0)
            return True
        else:
            minute.others += 1
        return False

    def over(self, *, all: bool = False) -> list[Fields]:
        """The sums of the minutes that are over, or of ``all``; so are the oldest where there are too many."""
        sums: list[Fields] = []
        while self._minutes:
            (place, minute) = next(iter(self._minutes.items()))
            if not all and len(self._minutes) <= _MOST and self._clock() - minute.began < _MINUTE:
                break
            del self._minutes[place]
            sums += minute.sums(place[1])
        return sums
