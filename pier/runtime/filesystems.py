"""The mounts of a container, in order: Docker's defaults, changed by the modes, then the user's. Pure."""

from pathlib import PurePosixPath
from typing import Final

from pier.runtime.plan import OciObject, SpecMount, SpecPlan

_SAFE: Final = ("nosuid", "noexec", "nodev")

MASKED_PATHS: Final = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_PROPAGATIONS: Final = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
INIT_PATH: Final = "/sbin/docker-init"


def mounts(plan: SpecPlan) -> list[OciObject]:
    """``mounts`` of the spec. A user's mount takes the place of a default one; one at ``/dev`` of all below it."""
    taken = {mount.destination for mount in plan.mounts}
    chosen = [
        mount
        for mount in _defaults(plan)
        if mount.destination not in taken and not ("/dev" in taken and mount.destination.startswith("/dev/"))
    ]
    if plan.init is not None:
        chosen.append(SpecMount("bind", str(plan.init), INIT_PATH, ("bind", "ro")))
    chosen += sorted(plan.mounts, key=lambda mount: len(PurePosixPath(mount.destination).parts))
    return [_oci(mount) for mount in chosen]


def _defaults(plan: SpecPlan) -> list[SpecMount]:
    writable = () if plan.privileged else ("ro",)
    found = [
        SpecMount("proc", "proc", "/proc", _SAFE),
        SpecMount("tmpfs", "tmpfs", "/dev", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        SpecMount(
            "devpts",
            "devpts",
            "/dev/pts",
            ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        _sysfs(plan, writable),
        SpecMount("cgroup", "cgroup", "/sys/fs/cgroup", (*writable, *_SAFE)),
        SpecMount("mqueue", "mqueue", "/dev/mqueue", _SAFE),
    ]
    shm = _shm(plan)
    return [*found, shm] if shm else found


def _sysfs(plan: SpecPlan, writable: tuple[str, ...]) -> SpecMount:
    """A sysfs of the container's own network; the host's network in a user namespace allows none: its /sys is shown."""
    if plan.netns is None and plan.userns != "host":
        return SpecMount("bind", "/sys", "/sys", ("rbind", "rslave", *_SAFE, "ro"))
    return SpecMount("sysfs", "sysfs", "/sys", (*_SAFE, *writable))


def _shm(plan: SpecPlan) -> SpecMount | None:
    if plan.ipc_mode == "none":
        return None
    if plan.ipc_mode == "private":
        options = (*_SAFE, "mode=1777", f"size={plan.shm_size}")
        return SpecMount("tmpfs", "shm", "/dev/shm", options)
    joined = "" if plan.ipc_mode == "host" else plan.ipc_mode.removesuffix("/ns/ipc") + "/root"
    return SpecMount("bind", f"{joined}/dev/shm", "/dev/shm", ("rbind", "rprivate", *_SAFE))


def _oci(mount: SpecMount) -> OciObject:
    options = list(mount.options)
    if mount.type == "bind":
        options = options if {"bind", "rbind"} & set(options) else ["rbind", *options]
        options = options if set(_PROPAGATIONS) & set(options) else [*options, "rprivate"]
    return {"destination": mount.destination, "type": mount.type, "source": mount.source, "options": options}


def root_propagation(plan: SpecPlan) -> str | None:
    """What the root must be for the user's binds to propagate as asked: ``rshared``, ``rslave`` or nothing special."""
    options = {option for mount in plan.mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "rshared"
    return "rslave" if options & {"slave", "rslave"} else None
