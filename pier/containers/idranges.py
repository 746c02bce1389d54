"""Which of the host's ids a container's user namespace gets (pure): a range that no other container has."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from pier.containers.container import IdRange
from pier.errors import NoSpace

SIZE: Final = 65536
FIRST: Final = 0x7000_0000
"""The ranges that systemd's table of users and groups (UIDS-GIDS) leaves to nobody: 4094 of them."""
END: Final = 0x7FFE_0000
NAMES: Final = ("pier", "dockremap", "root")


def pool(subuid: str, subgid: str) -> tuple[str, Sequence[IdRange]]:
    """The ranges to choose from, and whose they are: of subuid(5) and subgid(5), else the default ones.

    The first of ``pier``, ``dockremap`` and ``root`` counts that both files give at least one whole range; the
    name is empty for the default.
    """
    for name in NAMES:
        found = tuple(IdRange(uid, gid) for uid, gid in zip(_starts(subuid, name), _starts(subgid, name), strict=False))
        if found:
            return name, found
    return "", tuple(IdRange(start, start) for start in range(FIRST, END, SIZE))


def choose(name: str, ranges: Sequence[IdRange], taken: Collection[IdRange], seed: int) -> IdRange:
    """A range that overlaps with none of ``taken``; ``seed`` says where to begin, so that daemons side by side
    rarely meet. NoSpace when there is none."""
    start = seed % len(ranges)
    for candidate in (*ranges[start:], *ranges[:start]):
        if not any(_overlap(candidate, each) for each in taken):
            return candidate
    where = f"the ranges of {name} in /etc/subuid and /etc/subgid are" if name else "all ranges are"
    raise NoSpace(
        f"no range of {SIZE} user ids is free for a user namespace: {where} in use by {len(taken)} containers"
    )


def _starts(text: str, name: str) -> Iterator[int]:
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if owner == name and first.isdecimal() and count.isdecimal() and 0 < int(first) < 1 << 32:
            end = min(int(first) + int(count), (1 << 32) - SIZE)
            yield from range(int(first), end - SIZE + 1, SIZE)


def _overlap(one: IdRange, other: IdRange) -> bool:
    return abs(one.uid - other.uid) < SIZE or abs(one.gid - other.gid) < SIZE
