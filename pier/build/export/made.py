"""The images that a build made, before they go anywhere: a config for each target, and the layers that it names."""

from collections.abc import Mapping, Sequence

import msgspec

from pier.build.caching.held import own_chains
from pier.build.deps import Build
from pier.build.export.configure import image_config, own_layers, squashed
from pier.build.export.epoch import copied, epoch_of, with_times
from pier.build.export.flatten import flatten
from pier.build.export.layers import layers_of, made_at
from pier.build.graph import Graph, Rootfs, Target, VertexId
from pier.build.remotecache.records import with_inline
from pier.oci.digest import Digest, sha256
from pier.oci.image import chain_ids, encode_config
from pier.oci.platform import Platform


class Made(msgspec.Struct, frozen=True):
    """``config``: the bytes whose digest is ``id``."""

    platform: Platform
    config: bytes
    id: Digest
    diff_ids: tuple[Digest, ...]

    @property
    def chain(self) -> list[Digest]:
        return chain_ids(self.diff_ids)


async def make(build: Build, graph: Graph, roots: Mapping[VertexId, Rootfs]) -> list[Made]:
    """An image of each target. Their layers are in the snapshotter, and pinned until ``build.lasting`` is closed."""
    images: list[Made] = []
    for target in graph.targets:
        rootfs = roots[target.root] if target.root is not None else Rootfs()
        build.lasting.enter_context(build.deps.images.pins.hold(chain_ids(rootfs.diff_ids)))
        images.append(await _one(build, graph, target, rootfs))
    return images


async def _one(build: Build, graph: Graph, target: Target, rootfs: Rootfs) -> Made:
    epoch = epoch_of(build.request)
    own = min(own_layers(target.history), len(rootfs.diff_ids))
    times = _times(build, rootfs.diff_ids, own)
    diff_ids = rootfs.diff_ids
    if build.request.squash and own:
        diff_ids = await _squashed(build, diff_ids, own)
        times, own = [*times[: len(diff_ids) - 1], max(times[-own:])], 1
    if epoch is not None and own:
        exact = frozenset[Digest]() if build.request.squash else copied(build, graph)
        diff_ids = await with_times(build.deps, diff_ids, own, epoch, exact)
        _hold(build, diff_ids)
    config = image_config(squashed(target) if build.request.squash else target, diff_ids, times, epoch)
    data = with_inline(build, encode_config(config))
    return Made(target.platform, data, sha256(data), diff_ids)


async def _squashed(build: Build, diff_ids: Sequence[Digest], own: int) -> tuple[Digest, ...]:
    layers = layers_of(build.deps, diff_ids)
    below = tuple(diff_ids[: len(diff_ids) - own])
    made = (*below, await flatten(build.deps.images, below, layers[len(below) :]))
    _hold(build, made)
    return made


def _hold(build: Build, diff_ids: Sequence[Digest]) -> None:
    build.lasting.enter_context(build.deps.images.pins.hold(chain_ids(diff_ids)))


def _times(build: Build, diff_ids: Sequence[Digest], own: int) -> list[int]:
    """When the layers were made: as the cache says, which other machines may share, else as the layers say."""
    known = _recorded(build) if own else {}
    base = len(diff_ids) - own
    layers = layers_of(build.deps, diff_ids)
    return [known.get(layer.chain_id) or made_at(layer) if index >= base else 0 for index, layer in enumerate(layers)]


def _recorded(build: Build) -> dict[Digest, int]:
    found: dict[Digest, int] = {}
    for solved in build.solved.values():
        record = build.deps.cache.get(solved.key) if isinstance(solved.result, Rootfs) else None
        if record is not None and record.created:
            found.update(dict.fromkeys(own_chains(record), record.created))
    return found
