"""What a container's process is to look like, before it becomes an OCI spec: values only."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pier.runtime.seccomp import Profile

UNCONFINED: Literal["unconfined"] = "unconfined"


@dataclass(frozen=True, slots=True)
class SpecMount:
    """A mount in the container, by mount(8)'s words. ``destination`` is absolute, in the container."""

    type: str
    source: str
    destination: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A device node to make at ``path`` in the container, and what the cgroup allows on it (of ``rwm``)."""

    path: str
    type: Literal["b", "c"]
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    access: str = "rwm"


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """One line of the devices cgroup; ``type`` ``a`` is both, ``None`` is any number."""

    type: Literal["a", "b", "c"]
    major: int | None
    minor: int | None
    access: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """A limit on one block device, in bytes or operations a second."""

    major: int
    minor: int
    rate: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits, by the API's names and units; 0 (for ``pids_limit`` also -1) is no limit.

    ``memory_swap`` is memory and swap together: 0 is twice ``memory``, -1 is no limit. ``swappiness`` -1 and
    ``None`` leave it to the kernel.
    """

    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    swappiness: int | None = None
    oom_kill_disable: bool = False
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    blkio_read_bps: tuple[Throttle, ...] = ()
    blkio_write_bps: tuple[Throttle, ...] = ()
    blkio_read_iops: tuple[Throttle, ...] = ()
    blkio_write_iops: tuple[Throttle, ...] = ()


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A resource limit by its short name (``nofile``)."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class IdMap:
    """A range of ids of a user namespace."""

    container: int
    host: int
    size: int


@dataclass(frozen=True, slots=True)
class SpecPlan:
    """A container, decided. Names and modes are resolved: users are numbers, images are folders.

    ``netns`` is the network namespace to join, ``None`` the host's. The ``*_mode`` fields and ``userns`` are
    ``private``, ``host``, or a path to join (``/proc/PID/ns/ipc``); ``ipc_mode`` may also be ``none`` (private,
    without ``/dev/shm``). ``mounts`` are the user's: one at a default mount's place replaces it. ``seccomp`` is
    ``None`` for the host's default. ``masked_paths`` and ``readonly_paths`` of ``None`` are the defaults.
    ``init`` is the program that is to be process 1, if any. ``cap_add`` and ``cap_drop`` are checked names
    (:func:`pier.runtime.capabilities.normalise`).
    """

    args: tuple[str, ...]
    rootfs: Path
    cgroup_path: str
    env: tuple[str, ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    terminal: bool = False
    console_size: tuple[int, int] | None = None  # height, width
    hostname: str = ""
    domainname: str = ""
    read_only: bool = False
    mounts: tuple[SpecMount, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    netns: Path | None = None
    pid_mode: str = "private"
    ipc_mode: str = "private"
    uts_mode: str = "private"
    cgroupns_mode: str = "private"
    userns: str = "host"
    uid_maps: tuple[IdMap, ...] = ()
    gid_maps: tuple[IdMap, ...] = ()
    resources: Resources = Resources()
    devices: tuple[Device, ...] = ()
    device_rules: tuple[DeviceRule, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    seccomp: Profile | Literal["unconfined"] | None = None
    apparmor: str | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    no_new_privileges: bool = False
    oom_score_adj: int | None = None
    init: Path | None = None
    shm_size: int = 64 * 1024 * 1024
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecPlan:
    """One more process in a container. ``uid`` and the like of ``None`` are those of the container's own."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    terminal: bool = False
    console_size: tuple[int, int] | None = None  # height, width
    privileged: bool = False


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What of the host a spec depends on. ``capabilities`` are those that we may give; ``devices`` those of a
    privileged container; ``seccomp`` the default profile, ``None`` when its file is missing."""

    cgroup_version: int
    capabilities: frozenset[str]
    kernel: tuple[int, int]
    architecture: str
    seccomp: Profile | None
    devices: tuple[Device, ...] = ()


OciObject = dict[str, Any]
