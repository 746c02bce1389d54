"""What the processes of a control group have used: read from the files of v1 and of v2.

See the kernel's admin-guide/cgroup-v2 and cgroup-v1 (cpuacct, memory, blkio-controller, pids).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pier.linux.cgroup import Hierarchies, read_pairs

_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_MICRO: Final = 1000


@dataclass(frozen=True, slots=True)
class Processor:
    """Nanoseconds of processor time, and how often a quota stopped the group. ``each`` is by processor (v1 only)."""

    total: int = 0
    user: int = 0
    kernel: int = 0
    each: tuple[int, ...] = ()
    periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. A ``limit`` of ``None`` is none; the others of ``None`` are not counted by this kernel."""

    usage: int = 0
    limit: int | None = None
    peak: int | None = None
    failures: int | None = None
    details: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceIo:
    """One number of one block device: ``operation`` is spelt as the kernel's version spells it."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a group. ``pids_limit`` ``None`` is none."""

    version: int
    processor: Processor
    memory: Memory
    pids: int
    pids_limit: int | None
    bytes: tuple[DeviceIo, ...] = ()
    operations: tuple[DeviceIo, ...] = ()


def read_usage(trees: Hierarchies, group: str) -> Usage:
    """Look at ``group``. ``FileNotFoundError`` when it is gone; a controller that is not mounted counts nothing."""
    if trees.version == 2:
        return _read_v2(trees.directory("", group))
    pids = _folder(trees, "pids", group)
    blkio = _folder(trees, "blkio", group)
    return Usage(
        version=1,
        processor=_processor_v1(_folder(trees, "cpuacct", group), _folder(trees, "cpu", group)),
        memory=_memory_v1(_folder(trees, "memory", group)),
        pids=_number(pids, "pids.current") or 0,
        pids_limit=_number(pids, "pids.max"),
        bytes=_devices_v1(blkio, "blkio.throttle.io_service_bytes_recursive"),
        operations=_devices_v1(blkio, "blkio.throttle.io_serviced_recursive"),
    )


def _folder(trees: Hierarchies, controller: str, group: str) -> Path | None:
    if controller not in trees.controllers:
        return None
    folder = trees.directory(controller, group)
    if not folder.is_dir():
        raise FileNotFoundError(f"no such cgroup: {folder}")
    return folder


def _number(folder: Path | None, name: str) -> int | None:
    """The number in a file; ``None`` for ``max``, and for a file that this kernel or this group does not have."""
    try:
        text = (folder / name).read_text().strip() if folder else "max"
    except OSError:  # not there, or (memory.memsw) switched off
        return None
    return None if text == "max" else int(text)


def _processor_v1(cpuacct: Path | None, cpu: Path | None) -> Processor:
    times = read_pairs(cpuacct / "cpuacct.stat") if cpuacct else {}
    quota = read_pairs(cpu / "cpu.stat") if cpu else {}
    each = (cpuacct / "cpuacct.usage_percpu").read_text().split() if cpuacct else []
    return Processor(
        total=_number(cpuacct, "cpuacct.usage") or 0,
        user=times.get("user", 0) * _TICK,
        kernel=times.get("system", 0) * _TICK,
        each=tuple(map(int, each)),
        periods=quota.get("nr_periods", 0),
        throttled_periods=quota.get("nr_throttled", 0),
        throttled_time=quota.get("throttled_time", 0),
    )


def _memory_v1(folder: Path | None) -> Memory:
    return Memory(
        usage=_number(folder, "memory.usage_in_bytes") or 0,
        limit=_number(folder, "memory.limit_in_bytes"),
        peak=_number(folder, "memory.max_usage_in_bytes"),
        failures=_number(folder, "memory.failcnt"),
        details=read_pairs(folder / "memory.stat") if folder else {},
    )


def _devices_v1(folder: Path | None, name: str) -> tuple[DeviceIo, ...]:
    """Lines ``8:0 Read 4096``; the last one is a total of all devices."""
    try:
        lines = (folder / name).read_text().splitlines() if folder else []
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        words = line.split()
        if len(words) == 3:
            major, _, minor = words[0].partition(":")
            found.append(DeviceIo(int(major), int(minor), words[1], int(words[2])))
    return tuple(found)


def _read_v2(folder: Path) -> Usage:
    cpu = read_pairs(folder / "cpu.stat")
    bytes_, operations = _devices_v2((folder / "io.stat").read_text() if (folder / "io.stat").exists() else "")
    return Usage(
        version=2,
        processor=Processor(
            total=cpu.get("usage_usec", 0) * _MICRO,
            user=cpu.get("user_usec", 0) * _MICRO,
            kernel=cpu.get("system_usec", 0) * _MICRO,
            periods=cpu.get("nr_periods", 0),
            throttled_periods=cpu.get("nr_throttled", 0),
            throttled_time=cpu.get("throttled_usec", 0) * _MICRO,
        ),
        memory=Memory(
            usage=_number(folder, "memory.current") or 0,
            limit=_number(folder, "memory.max"),
            details=read_pairs(folder / "memory.stat") if (folder / "memory.stat").exists() else {},
        ),
        pids=_number(folder, "pids.current") or 0,
        pids_limit=_number(folder, "pids.max"),
        bytes=bytes_,
        operations=operations,
    )


def _devices_v2(text: str) -> tuple[tuple[DeviceIo, ...], tuple[DeviceIo, ...]]:
    """Lines ``8:0 rbytes=4096 wbytes=0 rios=1 wios=0 ...``: the bytes, and the operations."""
    found: dict[str, list[DeviceIo]] = {"bytes": [], "ios": []}
    for line in text.splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        for pair in pairs:
            name, _, value = pair.partition("=")
            operation = {"r": "read", "w": "write"}.get(name[:1])
            if operation and name[1:] in found:
                found[name[1:]].append(DeviceIo(int(major), int(minor), operation, int(value)))
    return tuple(found["bytes"]), tuple(found["ios"])


@dataclass(frozen=True, slots=True)
class HostTimes:
    """Of the whole host: nanoseconds of processor time of all kinds, processors that are on line, bytes of memory."""

    processor: int
    online: int
    memory: int


def read_host() -> HostTimes:
    """From proc_stat(5) (guests' time is in user time already) and sysconf(3)."""
    with open("/proc/stat", "rb") as file:
        lines = file.read().split(b"\n")
    ticks = sum(map(int, lines[0].split()[1:9]))
    online = sum(line.startswith(b"cpu") for line in lines) - 1
    return HostTimes(ticks * _TICK, online, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def parse_net_dev(text: str) -> dict[str, tuple[int, ...]]:
    """proc_pid_net(5), ``dev``: interface to its sixteen counters, eight received and eight sent."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, counters = line.partition(":")
        found[name.strip()] = tuple(map(int, counters.split()))
    return found


def read_interfaces(pid: int) -> dict[str, tuple[int, ...]]:
    """The counters of the interfaces in the network namespace of ``pid``; none when it has ended."""
    try:
        return parse_net_dev(Path(f"/proc/{pid}/net/dev").read_text())
    except OSError:
        return {}
