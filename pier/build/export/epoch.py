"""SOURCE_DATE_EPOCH: the build's own layers again, with times that do not tell when it was done.

Files that a COPY or ADD put there get the epoch itself, because a checkout's times differ from one machine to the
other; of all else what is younger gets it. The rest of a layer's tar is made in one order, without what is of the host.
What came of a layer is remembered by its chain ID, so that an unchanged build need not do it again.
"""

import time
from collections.abc import Sequence
from typing import Final

from pier.build.deps import Build, Deps
from pier.build.export.rewrite import Times, rewrite
from pier.build.graph import Copy, Graph, Merge, Rootfs
from pier.build.request import BuildRequest
from pier.errors import InvalidArgument
from pier.images.archive import copy_layer
from pier.images.deps import Images
from pier.oci.digest import Digest
from pier.oci.image import chain_id, chain_ids
from pier.snapshots import diff
from pier.snapshots.snapshotter import Layer

ARGUMENT: Final = "SOURCE_DATE_EPOCH"
REMEMBERED: Final = f"{ARGUMENT}="
"""How selectors begin under which the cache remembers what came of layers."""
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999: later ones cannot be written as RFC 3339."""


def epoch_of(request: BuildRequest) -> int | None:
    """Seconds since 1970, from the request or its build argument; None for real times. Raises InvalidArgument."""
    if request.source_date_epoch is not None:
        epoch = request.source_date_epoch
    else:
        text = request.build_args.get(ARGUMENT, "")
        if not text:
            return None
        if not text.isdecimal() or len(text) > 12:
            raise InvalidArgument(f"invalid {ARGUMENT}: {text}: seconds since 1970 are needed")
        epoch = int(text)
    if not 0 <= epoch <= _LATEST:
        raise InvalidArgument(f"invalid {ARGUMENT}: {epoch}: it is out of range")
    return epoch


def copied(build: Build, graph: Graph) -> frozenset[Digest]:
    """The chain IDs of layers that are what COPY or ADD made."""
    found: set[Digest] = set()
    for vertex in graph.vertices.values():
        solved = build.solved.get(vertex.id)
        if isinstance(vertex.op, Copy | Merge) and solved is not None and isinstance(solved.result, Rootfs):
            found.update(chain_ids(solved.result.diff_ids)[-1:])
    return frozenset(found)


async def with_times(
    deps: Deps, diff_ids: Sequence[Digest], own: int, epoch: int, exact: frozenset[Digest]
) -> tuple[Digest, ...]:
    """The layers again, the ``own`` ones at the top with other times. They are in the snapshotter; the caller pins
    the old ones, and until the next turn of the loop nothing else is done, so that it can pin the new ones."""
    chains = chain_ids(diff_ids)
    made = list(diff_ids[: len(diff_ids) - own])
    for chain in chains[len(made) :]:
        layer = deps.snapshots.layer(chain)
        with deps.images.pins.hold(chain_ids(made)):
            made.append(await _one(deps, layer, tuple(made), Times(epoch, chain in exact)))
    return tuple(made)


async def _one(deps: Deps, layer: Layer, below: tuple[Digest, ...], times: Times) -> Digest:
    parent = chain_ids(below)[-1] if below else None
    known = deps.cache.content(layer.chain_id, _selector(times))
    if known is not None:
        if chain_id(parent, known) in deps.snapshots.layers():
            return known
        if deps.snapshots.with_diff(known) is not None:
            await copy_layer(deps.images, known, parent)
            return known
    diff_id = await _rewritten(deps.images, layer, parent, times)
    deps.cache.remember(layer.chain_id, _selector(times), diff_id, time.time_ns())
    return diff_id


def _selector(times: Times) -> str:
    return f"{REMEMBERED}{times.epoch}{' exact' if times.exact else ''}"


async def _rewritten(images: Images, layer: Layer, parent: Digest | None, times: Times) -> Digest:
    writer = images.snapshots.begin_layer()
    try:
        applied = await diff.apply_layer(rewrite(diff.layer_tar(layer), times), writer)
        writer.commit(parent, applied.diff_id, applied.size, applied.skeleton)
    finally:
        writer.abort()
    return applied.diff_id
