"""Limits as the OCI ``linux.resources`` object: for a spec, and for the update of a running container. Pure."""

from typing import Final

from pier.runtime.plan import DeviceRule, OciObject, Resources, Throttle

_PERIOD: Final = 100_000
_NANO: Final = 1_000_000_000


def linux_resources(wanted: Resources, *, cgroup_version: int) -> OciObject:
    """Only what is limited is in it. ``memory.swap`` counts memory and swap together, as v1 does."""
    made: OciObject = {}
    for name, section in (
        ("memory", _memory(wanted, cgroup_version)),
        ("cpu", _cpu(wanted)),
        ("blockIO", _block_io(wanted)),
    ):
        if section:
            made[name] = section
    if wanted.pids_limit > 0:
        made["pids"] = {"limit": wanted.pids_limit}
    return made


def _memory(wanted: Resources, cgroup_version: int) -> OciObject:
    memory: OciObject = {}
    if wanted.memory > 0:
        memory["limit"] = wanted.memory
        memory["swap"] = wanted.memory_swap or 2 * wanted.memory
    elif wanted.memory_swap:
        memory["swap"] = wanted.memory_swap
    if wanted.memory_reservation > 0:
        memory["reservation"] = wanted.memory_reservation
    if cgroup_version == 1:  # v2 has neither
        if wanted.swappiness is not None and wanted.swappiness >= 0:
            memory["swappiness"] = wanted.swappiness
        if wanted.oom_kill_disable:
            memory["disableOOMKiller"] = True
    return memory


def _cpu(wanted: Resources) -> OciObject:
    cpu: OciObject = {
        "shares": wanted.cpu_shares,
        "period": wanted.cpu_period,
        "quota": wanted.cpu_quota,
        "realtimePeriod": wanted.cpu_realtime_period,
        "realtimeRuntime": wanted.cpu_realtime_runtime,
        "cpus": wanted.cpuset_cpus,
        "mems": wanted.cpuset_mems,
    }
    if wanted.nano_cpus > 0:
        cpu["period"] = _PERIOD
        cpu["quota"] = wanted.nano_cpus * _PERIOD // _NANO
    return {key: value for key, value in cpu.items() if value}


def _block_io(wanted: Resources) -> OciObject:
    block_io: OciObject = {"weight": wanted.blkio_weight} if wanted.blkio_weight else {}
    for key, throttles in (
        ("throttleReadBpsDevice", wanted.blkio_read_bps),
        ("throttleWriteBpsDevice", wanted.blkio_write_bps),
        ("throttleReadIOPSDevice", wanted.blkio_read_iops),
        ("throttleWriteIOPSDevice", wanted.blkio_write_iops),
    ):
        if throttles:
            block_io[key] = [_throttle(throttle) for throttle in throttles]
    return block_io


def _throttle(throttle: Throttle) -> OciObject:
    return {"major": throttle.major, "minor": throttle.minor, "rate": throttle.rate}


def device_rule(rule: DeviceRule, *, allow: bool = True) -> OciObject:
    """One entry of ``linux.resources.devices``."""
    made: OciObject = {"allow": allow, "type": rule.type, "access": rule.access}
    if rule.major is not None:
        made["major"] = rule.major
    if rule.minor is not None:
        made["minor"] = rule.minor
    return made
