"""The config of the image that comes out (pure): its layers, and when each step of its history was.

What follows BuildKit: a new entry without a layer has the time of the new layer before it (of the first new one,
where none is before), and the image was created when its last step was. Hence an unchanged rebuild gives the same
image, as long as its layers keep their times.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from pier.build.graph import Target
from pier.oci.digest import Digest
from pier.oci.image import HistoryEntry, ImageConfig, RootFS

_NANO: Final = 1_000_000_000
_ADDED: Final = "pier.exporter"


def image_config(
    target: Target, diff_ids: Sequence[Digest], times: Sequence[int], epoch: int | None = None
) -> ImageConfig:
    """The config of ``target`` with the layers ``diff_ids``, made at ``times`` (ns since 1970).

    ``epoch`` (seconds) stands for the time of everything that this build made.
    """
    history = _dated(_whole(target.history, len(diff_ids)), times, epoch)
    created = rfc3339(epoch * _NANO) if epoch is not None else history[-1].created if history else None
    return ImageConfig(
        architecture=target.platform.architecture,
        os=target.platform.os,
        os_version=target.platform.os_version,
        variant=target.platform.variant,
        rootfs=RootFS("layers", list(diff_ids)),
        config=target.config,
        created=created,
        author=target.author,
        history=history,
    )


def own_layers(history: Sequence[HistoryEntry]) -> int:
    """How many layers at the top are of this build: those of entries that have no time yet."""
    return sum(1 for entry in history[_first_new(history) :] if not entry.empty_layer)


def squashed(target: Target) -> Target:
    """``target`` with one layer in the place of all of its own: their entries stay, and one for the merge follows."""
    first = _first_new(target.history)
    new = [msgspec.structs.replace(entry, empty_layer=True) for entry in target.history[first:]]
    if all(entry.empty_layer for entry in target.history[first:]):
        return target
    merged = HistoryEntry(comment="merge of the layers above the base")
    return msgspec.structs.replace(target, history=(*target.history[:first], *new, merged))


def rfc3339(nanoseconds: int) -> str:
    """``2026-11-21T06:28:00.09713Z``: as Go prints it."""
    seconds, rest = divmod(nanoseconds, _NANO)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + "Z" if rest else text + "Z"


def _first_new(history: Sequence[HistoryEntry]) -> int:
    """Where the entries of this build begin."""
    index = len(history)
    while index and history[index - 1].created is None:
        index -= 1
    return index


def _whole(history: Sequence[HistoryEntry], layers: int) -> list[HistoryEntry]:
    """The history with an entry for each layer: there are base images that say less, or more, than they have."""
    first = _first_new(history)
    base, new = list(history[:first]), list(history[first:])
    missing = layers - sum(1 for entry in history if not entry.empty_layer)
    if missing >= 0:
        return [*base, *(HistoryEntry(comment=_ADDED) for _ in range(missing)), *new]
    for index in range(first - 1, -1, -1):
        if missing < 0 and not base[index].empty_layer:
            base[index] = msgspec.structs.replace(base[index], empty_layer=True)
            missing += 1
    return [*base, *new]


def _dated(history: list[HistoryEntry], times: Sequence[int], epoch: int | None) -> list[HistoryEntry]:
    layers = iter(times)
    dated = [_at(entry, None if entry.empty_layer else next(layers, None), epoch) for entry in history]
    last = _default(history, dated)
    for index, entry in enumerate(dated):
        if entry.created is None:
            dated[index] = msgspec.structs.replace(entry, created=last)
        elif history[index].created is None:
            last = entry.created
    return dated


def _at(entry: HistoryEntry, time: int | None, epoch: int | None) -> HistoryEntry:
    if entry.created is not None:
        return entry
    if epoch is not None:
        return msgspec.structs.replace(entry, created=rfc3339(epoch * _NANO))
    return entry if time is None else msgspec.structs.replace(entry, created=rfc3339(time))


def _default(history: Sequence[HistoryEntry], dated: Sequence[HistoryEntry]) -> str | None:
    """The time of the first new layer; where there is none, of the last entry that has one."""
    first = _first_new(history)
    new = [entry.created for entry in dated[first:] if entry.created is not None]
    old = [entry.created for entry in dated[:first] if entry.created is not None]
    return new[0] if new else old[-1] if old else None
