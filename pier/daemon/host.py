"""Facts of the host for ``info`` and ``version``: read once, from os-release(5), proc(5) and uname(2)."""

import os
import platform
import uuid
from dataclasses import dataclass
from pathlib import Path

from pier.errors import InvalidArgument
from pier.linux.cgroup import Hierarchies

_SYSCTL = Path("/proc/sys")


@dataclass(frozen=True, slots=True)
class Host:
    """``machine`` is uname's (``x86_64``), ``memory`` in bytes."""

    name: str
    kernel: str
    machine: str
    system: str
    system_version: str
    processors: int
    memory: int

    @classmethod
    def read(cls) -> "Host":
        release = _os_release()
        return cls(
            name=platform.node(),
            kernel=platform.release(),
            machine=platform.machine(),
            system=release.get("PRETTY_NAME", "Linux"),
            system_version=release.get("VERSION_ID", ""),
            processors=len(os.sched_getaffinity(0)),
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        )


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def sysctl(name: str) -> bool:
    """Whether a switch below ``/proc/sys`` is on; one that is not there is off."""
    try:
        return (_SYSCTL / name).read_text().strip() == "1"
    except OSError:
        return False


def backing_filesystem(root: Path) -> str:
    """The type of the file system that holds ``root``, from proc_pid_mountinfo(5)."""
    device = root.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown"


def limits(trees: Hierarchies) -> dict[str, bool]:
    """Which limits the kernel has, by their names in ``info``."""
    if trees.version == 2 and trees.unified is not None:
        have = set((trees.unified / "cgroup.controllers").read_text().split())
    else:
        have = set(trees.controllers)
    memory = trees.controllers.get("memory")
    swap = memory is None or (memory / "memory.memsw.limit_in_bytes").exists()
    return {
        "MemoryLimit": "memory" in have,
        "SwapLimit": "memory" in have and swap,
        "CpuCfsPeriod": "cpu" in have,
        "CpuCfsQuota": "cpu" in have,
        "CPUShares": "cpu" in have,
        "CPUSet": "cpuset" in have,
        "PidsLimit": "pids" in have,
        "OomKillDisable": memory is not None,
    }


def limit_warnings(found: dict[str, bool]) -> list[str]:
    """What ``docker info`` prints below the rest."""
    texts = {
        "MemoryLimit": "WARNING: No memory limit support",
        "SwapLimit": "WARNING: No swap limit support",
        "CPUShares": "WARNING: No cpu shares support",
        "CPUSet": "WARNING: No cpuset support",
        "PidsLimit": "WARNING: No pids limit support",
    }
    return [text for name, text in texts.items() if not found[name]]


def engine_id(root: Path) -> str:
    """The engine's own identity: made once, kept in the data root."""
    path = root / "engine-id"
    try:
        return str(uuid.UUID(path.read_text().strip()))
    except FileNotFoundError:
        made = str(uuid.uuid4())
        path.write_text(made)
        return made
    except ValueError as error:
        raise InvalidArgument(f"{path} does not hold a UUID: remove it to get a new one") from error
