"""``stats``: what a container uses of the host's processors, memory, devices and networks."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.registry import Live
from pier.errors import Conflict
from pier.events.timestamps import rfc3339
from pier.linux.cgroup_usage import (
    DeviceIo,
    HostTimes,
    Memory,
    Processor,
    Usage,
    read_host,
    read_interfaces,
)

_INTERVAL: Final = 1.0
_NO_LIMIT: Final = 2**64 - 1
_NOTHING: Final = Usage(2, Processor(), Memory(), 0, None)
_COUNTERS: Final = ((0, "bytes"), (1, "packets"), (2, "errors"), (3, "dropped"))
_SENT: Final = 8

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a running container and at the host around it."""

    time_ns: int
    usage: Usage
    host: HostTimes
    interfaces: Mapping[str, tuple[int, ...]]


async def sample(deps: Deps, reference: str, *, one_shot: bool = False) -> Json:
    """The JSON of ``GET /containers/{id}/stats?stream=false``.

    Two looks, a second apart, from which clients reckon the processor's load; ``one_shot`` takes one. Of a
    container that does not run everything is zero.
    """
    live = deps.registry.find(reference)
    before = None if one_shot else await _look(deps, live)
    if before is not None:
        await asyncio.sleep(_INTERVAL)
    return render(live.record, await _look(deps, live), before)


async def stream(deps: Deps, reference: str) -> AsyncIterator[Json]:
    """A sample a second, until the container is removed; zeros while it does not run."""
    live = deps.registry.find(reference)
    before: Sample | None = None
    due = time.monotonic()
    while deps.registry.get(live.record.id) is live:
        now = await _look(deps, live)
        yield render(live.record, now, before)
        before = now
        due = max(due + _INTERVAL, time.monotonic())
        await asyncio.sleep(due - time.monotonic())


async def _look(deps: Deps, live: Live) -> Sample | None:
    record = live.record
    if not record.state.alive or record.supervised is None:
        return None
    try:
        usage = await deps.runtime.usage(record.supervised)
    except Conflict:  # it has just ended
        return None
    interfaces = {} if record.host_config.network_mode == "host" else read_interfaces(record.supervised.pid)
    return Sample(time.time_ns(), usage, read_host(), interfaces)


def render(record: Container, now: Sample | None, before: Sample | None) -> Json:
    """The API's shape: Docker's, for the version of control groups that the host has. Pure."""
    usage = now.usage if now else _NOTHING
    made: Json = {
        "name": f"/{record.name}",
        "id": record.id,
        "read": rfc3339(now.time_ns if now else 0),
        "preread": rfc3339(before.time_ns if before else 0),
        "pids_stats": _pids(usage) if now else {},
        "blkio_stats": _devices(usage),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _processor(now),
        "precpu_stats": _processor(before),
        "memory_stats": _memory(usage.memory, now.host) if now else {},
    }
    if now and now.interfaces:
        made["networks"] = {name: _network(each) for name, each in now.interfaces.items() if name != "lo"}
    return made


def _pids(usage: Usage) -> Json:
    return {"current": usage.pids, "limit": _NO_LIMIT if usage.pids_limit is None else usage.pids_limit}


def _processor(sampled: Sample | None) -> Json:
    used = sampled.usage.processor if sampled else Processor()
    times: Json = {
        "total_usage": used.total,
        "usage_in_kernelmode": used.kernel,
        "usage_in_usermode": used.user,
    }
    if used.each:
        times["percpu_usage"] = list(used.each)
    made: Json = {
        "cpu_usage": times,
        "throttling_data": {
            "periods": used.periods,
            "throttled_periods": used.throttled_periods,
            "throttled_time": used.throttled_time,
        },
    }
    if sampled:
        made |= {"system_cpu_usage": sampled.host.processor, "online_cpus": sampled.host.online}
    return made


def _memory(memory: Memory, host: HostTimes) -> Json:
    limit = host.memory if memory.limit is None else min(memory.limit, host.memory)
    made: Json = {"usage": memory.usage, "stats": dict(memory.details), "limit": limit}
    if memory.peak is not None:
        made["max_usage"] = memory.peak
    if memory.failures:
        made["failcnt"] = memory.failures
    return made


def _devices(usage: Usage) -> Json:
    """v2 counts bytes and operations; the other lists are of a v1 scheduler that kernels no longer have."""
    return {
        "io_service_bytes_recursive": _entries(usage.bytes),
        "io_serviced_recursive": _entries(usage.operations) if usage.version == 1 else None,
        "io_queue_recursive": None,
        "io_service_time_recursive": None,
        "io_wait_time_recursive": None,
        "io_merged_recursive": None,
        "io_time_recursive": None,
        "sectors_recursive": None,
    }


def _entries(counted: tuple[DeviceIo, ...]) -> list[Json] | None:
    return [
        {"major": each.major, "minor": each.minor, "op": each.operation, "value": each.value} for each in counted
    ] or None


def _network(counters: tuple[int, ...]) -> Json:
    received = {f"rx_{name}": counters[index] for index, name in _COUNTERS}
    return received | {f"tx_{name}": counters[_SENT + index] for index, name in _COUNTERS}
