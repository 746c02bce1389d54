"""Running one step, and recording what it made."""

import dataclasses
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.held import own_chains
from pier.build.deps import Build, Deps
from pier.build.graph import Copy, Exec, GitSource, HttpSource, LocalSource, Merge, Mkdir, Rootfs, Vertex
from pier.build.ops.op import Performer, Result
from pier.build.progress import Progress, VertexState
from pier.build.solving.flight import Listener
from pier.errors import Internal
from pier.linux.files import path_errors
from pier.log import trace
from pier.oci.image import chain_ids

SOURCES: Final = (LocalSource, GitSource, HttpSource)
"""They give files to read from, and know themselves what is still good of the last time."""


class Step(msgspec.Struct, frozen=True):
    """What is to be run. ``parents``: the keys of the records that ``inputs`` come from."""

    vertex: Vertex
    performer: Performer
    key: str
    inputs: Sequence[Result]
    parents: tuple[str, ...]

    @property
    def base(self) -> Rootfs:
        """What the step's own layers lie on."""
        op = self.vertex.op
        index = op.base if isinstance(op, Copy | Exec | Merge | Mkdir) else None
        base = self.inputs[index] if index is not None else None
        return base if isinstance(base, Rootfs) else Rootfs()


async def run_step(build: Build, step: Step, listener: Listener) -> Rootfs:
    """Execute it, or join an execution with the same key that is under way.

    Pin the result before awaiting anything.
    """

    async def work(progress: Progress, stack: ExitStack) -> Rootfs:
        return await _perform(dataclasses.replace(build, progress=progress), step, stack)

    return await build.deps.flights.fly(_shared_key(build, step), work, listener, movable=_movable(step))


def _shared_key(build: Build, step: Step) -> str:
    """What does not change a result can make the step fail: then everybody has his own failure."""
    request = build.request
    own = request.id if step.vertex.uncached else ""
    return repr((step.key, own, request.limits, request.entitlements, step.vertex.environment))


def _movable(step: Step) -> bool:
    """Whether it needs nothing of its build's client while it runs: no folder, no agent."""
    op = step.vertex.op
    with_agent = isinstance(op, Exec) and any(mount.type == "ssh" for mount in op.mounts)
    return not with_agent and all(isinstance(each, Rootfs) for each in step.inputs)


async def _perform(build: Build, step: Step, stack: ExitStack) -> Rootfs:
    deps, vertex = build.deps, step.vertex
    pins = deps.images.pins
    for each in step.inputs:
        if isinstance(each, Rootfs):
            stack.enter_context(pins.hold(chain_ids(each.diff_ids)))
    async with deps.flights.slots(deps.settings.parallelism):
        build.progress(VertexState(vertex.id, vertex.name, started=time.time_ns()))
        with path_errors():
            result = await step.performer.execute(build, vertex, step.inputs)
    if not isinstance(result, Rootfs):
        raise Internal(f"{vertex.name} made no root file system")
    stack.enter_context(pins.hold(chain_ids(result.diff_ids)))
    trace("build:executed")
    record(deps, step, result)
    trace("build:recorded")
    return result


def record(deps: Deps, step: Step, result: Rootfs) -> None:
    """Remember what the step made, and keep its layers, which must be there."""
    below = step.base.diff_ids
    own = len(result.diff_ids) - (len(below) if result.diff_ids[: len(below)] == below else 0)
    now = time.time_ns()
    made = CacheRecord(
        key=step.key,
        description=step.vertex.name,
        diff_ids=result.diff_ids,
        own=own,
        created=now,
        used=now,
        parents=step.parents,
    )
    size = sum(deps.snapshots.layer(chain_id).size for chain_id in own_chains(made))
    sized = msgspec.structs.replace(made, size=size)
    deps.cache.put(sized)
    deps.held.add(sized)
