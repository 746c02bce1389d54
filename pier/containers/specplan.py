"""From a container's record, and what its start has prepared, to the plan of its process (pure)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pier.containers.config import ContainerConfig
from pier.containers.container import Container
from pier.containers.hostconfig import HostConfig, ThrottleDevice
from pier.containers.security import Confinement
from pier.errors import InvalidArgument
from pier.runtime.accounts import Account
from pier.runtime.plan import Device, DeviceRule, IdMap, Resources, SpecMount, SpecPlan, Throttle, Ulimit

_DEVICE_RULE: Final = re.compile(r"([acb]) (\d{1,9}|\*):(\d{1,9}|\*) ([rwm]{1,3})")
_DEVICE_TYPES: Final[dict[str, Literal["a", "b", "c"]]] = {"a": "a", "b": "b", "c": "c"}
DEFAULT_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a start has found out and made.

    ``pid_mode``, ``ipc_mode`` and ``userns`` are as :class:`SpecPlan` wants them; ``etc`` the files to mount at
    ``/etc/hosts`` and the like; ``throttles`` maps a device's path to its numbers.
    """

    rootfs: Path
    netns: Path | None
    hostname: str
    account: Account
    mounts: tuple[SpecMount, ...]
    etc: tuple[SpecMount, ...]
    cgroup_path: str
    confinement: Confinement
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    pid_mode: str = "private"
    ipc_mode: str = "private"
    userns: str = "host"
    uid_maps: tuple[IdMap, ...] = ()
    gid_maps: tuple[IdMap, ...] = ()
    devices: tuple[Device, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    init: Path | None = None
    block_numbers: dict[str, tuple[int, int]] | None = None
    link_variables: tuple[str, ...] = ()


def spec_plan(record: Container, made: Prepared) -> SpecPlan:
    config, host = record.config, record.host_config
    taken = {mount.destination for mount in made.mounts}
    return SpecPlan(
        args=(record.path, *record.args),
        rootfs=made.rootfs,
        cgroup_path=made.cgroup_path,
        env=environment(config, made.hostname, made.account.home, made.link_variables),
        cwd=config.working_dir or "/",
        uid=made.account.uid,
        gid=made.account.gid,
        groups=made.account.groups,
        terminal=config.tty,
        console_size=host.console_size if any(host.console_size) else None,
        hostname=made.hostname,
        domainname=config.domainname,
        read_only=host.readonly_rootfs,
        mounts=(*made.mounts, *(mount for mount in made.etc if mount.destination not in taken)),
        cap_add=made.cap_add,
        cap_drop=made.cap_drop,
        privileged=host.privileged,
        netns=made.netns,
        pid_mode=made.pid_mode,
        ipc_mode=made.ipc_mode,
        uts_mode="host" if host.uts_mode == "host" else "private",
        cgroupns_mode=host.cgroupns_mode or "private",
        userns=made.userns,
        uid_maps=made.uid_maps,
        gid_maps=made.gid_maps,
        resources=resources(host, made.block_numbers or {}),
        devices=made.devices,
        device_rules=tuple(device_rules(host.device_cgroup_rules or ())),
        ulimits=made.ulimits,
        sysctls=host.sysctls or {},
        seccomp=made.confinement.seccomp,
        apparmor=made.confinement.apparmor,
        masked_paths=made.confinement.masked_paths,
        readonly_paths=made.confinement.readonly_paths,
        no_new_privileges=made.confinement.no_new_privileges,
        oom_score_adj=host.oom_score_adj,
        init=made.init,
        shm_size=host.shm_size,
        annotations=host.annotations or {},
    )


def environment(
    config: ContainerConfig, hostname: str, home: str, link_variables: Iterable[str] = ()
) -> tuple[str, ...]:
    """Docker's defaults, what links tell, then the container's own; ``NAME`` without a value takes NAME away."""
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": f"HOSTNAME={hostname}"}
    if config.tty:
        variables["TERM"] = "TERM=xterm"
    variables |= {text.partition("=")[0]: text for text in link_variables}
    given: dict[str, str] = {}
    for text in config.env or ():
        name, has_value, _ = text.partition("=")
        if has_value:
            given[name] = text
        else:
            variables.pop(name, None)
    return tuple(({**variables, **given} | ({} if "HOME" in given else {"HOME": f"HOME={home}"})).values())


def resources(host: HostConfig, block_numbers: dict[str, tuple[int, int]]) -> Resources:
    """The limits of a HostConfig; ``block_numbers`` gives a block device's numbers by its path."""

    def throttles(devices: Iterable[ThrottleDevice] | None) -> tuple[Throttle, ...]:
        known = [(block_numbers[each.path], each.rate) for each in devices or () if each.path in block_numbers]
        return tuple(Throttle(major, minor, rate) for (major, minor), rate in known)

    return Resources(
        memory=host.memory,
        memory_reservation=host.memory_reservation,
        memory_swap=host.memory_swap,
        swappiness=host.memory_swappiness,
        oom_kill_disable=bool(host.oom_kill_disable),
        nano_cpus=host.nano_cpus,
        cpu_shares=host.cpu_shares,
        cpu_period=host.cpu_period,
        cpu_quota=host.cpu_quota,
        cpu_realtime_period=host.cpu_realtime_period,
        cpu_realtime_runtime=host.cpu_realtime_runtime,
        cpuset_cpus=host.cpuset_cpus,
        cpuset_mems=host.cpuset_mems,
        pids_limit=host.pids_limit or 0,
        blkio_weight=host.blkio_weight,
        blkio_read_bps=throttles(host.blkio_device_read_bps),
        blkio_write_bps=throttles(host.blkio_device_write_bps),
        blkio_read_iops=throttles(host.blkio_device_read_iops),
        blkio_write_iops=throttles(host.blkio_device_write_iops),
    )


def throttled_paths(host: HostConfig) -> list[str]:
    """The block devices that limits are asked for."""
    lists = (
        host.blkio_device_read_bps,
        host.blkio_device_write_bps,
        host.blkio_device_read_iops,
        host.blkio_device_write_iops,
    )
    return [each.path for devices in lists for each in devices or ()]


def device_rules(texts: Iterable[str]) -> Iterable[DeviceRule]:
    """``c 42:* rmw`` each; InvalidArgument when one is not of that form."""
    for text in texts:
        match = _DEVICE_RULE.fullmatch(text)
        if match is None:
            raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
        kind, major, minor, access = match.groups()
        yield DeviceRule(_DEVICE_TYPES[kind], _number(major), _number(minor), access)


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)
