"""``update``: limits and restart policy of a container that exists, running or not."""

import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.hostconfig import HostConfig
from pier.containers.limits import check_resources
from pier.containers.prepare import block_numbers
from pier.containers.restart import check_policy
from pier.containers.specplan import resources
from pier.containers.wire import convert, without_nulls
from pier.errors import Conflict, InvalidArgument, PierError
from pier.runtime.resources import linux_resources

_RESOURCES: Final = frozenset((
    "BlkioWeight", "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps", "CpuShares", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime",
    "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation", "MemorySwap", "MemorySwappiness", "NanoCpus",
    "PidsLimit",
))  # fmt: skip
_POLICY: Final = "RestartPolicy"


async def update(deps: Deps, reference: str, body: Mapping[str, Any]) -> list[str]:
    """Apply the members of HostConfig that ``body`` has (resources, RestartPolicy); returns warnings.

    As in Docker, 0 and empty mean "leave it". InvalidArgument for limits that make no sense.
    """
    live = deps.registry.find(reference)
    given = {key: value for key, value in without_nulls(dict(body)).items() if key in (*_RESOURCES, _POLICY)}
    changes = {key: value for key, value in given.items() if value not in (0, "", [], {})}
    async with live.lock:
        record = live.record
        if live.removing or record.state.status == "removing":
            raise Conflict(f"container is marked for removal and cannot be updated: {record.id}")
        host = _changed(record.host_config, changes)
        warnings = check_resources(host, frozenset(range(os.cpu_count() or 1)))
        _check_policy(host, changed=bool(given.get(_POLICY, {}).get("Name")))
        if record.supervised is not None and changes.keys() & _RESOURCES:
            await _apply(deps, record.id, host)
        announce(deps, deps.registry.put(live, record.replace(host_config=host)), "update")
    return warnings


def _changed(host: HostConfig, changes: Mapping[str, Any]) -> HostConfig:
    """Go decodes into the present values; so do we. Raising memory over the old swap limit raises that too."""
    asked = convert({key: value for key, value in changes.items() if key != _POLICY or value.get("Name")}, HostConfig)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(HostConfig)}
    wanted = {names[key]: getattr(asked, names[key]) for key in changes if key != _POLICY or changes[key].get("Name")}
    if "nano_cpus" in wanted and (host.cpu_quota or host.cpu_period):
        raise Conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period/Quota has already been set")
    if ("cpu_quota" in wanted or "cpu_period" in wanted) and host.nano_cpus:
        raise Conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
    changed = msgspec.structs.replace(host, **wanted)
    if "memory" in wanted and "memory_swap" not in wanted and 0 < host.memory_swap < changed.memory:
        raise InvalidArgument(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
    return changed


def _check_policy(host: HostConfig, *, changed: bool) -> None:
    if not changed:
        return
    check_policy(host.restart_policy)
    if host.auto_remove and host.restart_policy.name not in ("", "no"):
        raise InvalidArgument("Restart policy cannot be updated because AutoRemove is enabled for the container")


async def _apply(deps: Deps, container_id: str, host: HostConfig) -> None:
    wanted = resources(host, block_numbers(host))
    try:
        await deps.runtime.update(container_id, linux_resources(wanted, cgroup_version=deps.host.cgroup_version))
    except PierError as error:
        raise type(error)(f"Cannot update container {container_id}: {error}") from error
