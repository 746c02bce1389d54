"""What of this host a container's spec depends on: capabilities, kernel, devices, seccomp profile, init program."""

import os
import platform
import re
import shutil
import stat
from pathlib import Path
from typing import Final, Literal

from pier.errors import InvalidArgument, Unsupported
from pier.linux import cgroup
from pier.runtime import seccomp
from pier.runtime.capabilities import from_mask
from pier.runtime.plan import Device, HostFacts

_MACHINES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i686": "386",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
_INITS: Final = ("docker-init", "tini-static", "tini", "catatonit", "/usr/libexec/podman/catatonit")
_SKIPPED: Final = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"})


def host_facts(trees: cgroup.Hierarchies, *, devices: bool = False) -> HostFacts:
    """Look. ``devices`` too for a privileged container: all that /dev has at this moment."""
    return HostFacts(
        cgroup_version=trees.version,
        capabilities=own_capabilities(),
        kernel=_kernel(platform.release()),
        architecture=_MACHINES.get(platform.machine(), platform.machine()),
        seccomp=seccomp.load(),
        devices=tuple(all_devices(Path("/dev"))) if devices else (),
    )


def own_capabilities(status: Path = Path("/proc/self/status")) -> frozenset[str]:
    """The capabilities that we have and may pass on."""
    masks = dict(re.findall(r"^(Cap\w+):\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE))
    return from_mask(int(masks["CapBnd"], 16) & int(masks["CapPrm"], 16))


def _kernel(release: str) -> tuple[int, int]:
    numbers = re.findall(r"\d+", release)
    return int(numbers[0]), int(numbers[1])


def find_init(configured: Path | None = None) -> Path:
    """The program that becomes process 1 with ``--init``. ``Unsupported`` names the packages that have one."""
    for candidate in [str(configured)] if configured else _INITS:
        if found := shutil.which(candidate):
            return Path(found)
    raise Unsupported("--init needs a small init program, and none was found: install the package tini or catatonit")


def find_devices(on_host: str, in_container: str = "", access: str = "") -> list[Device]:
    """The device node ``on_host``, or all nodes of the folder, as nodes at ``in_container``.

    ``InvalidArgument`` in Docker's words when there is none.
    """
    target = in_container or on_host
    try:
        resolved = Path(on_host).resolve(strict=True)
        if resolved.is_dir():
            found = list(all_devices(resolved, target, access or "rwm"))
            if found:
                return found
            raise InvalidArgument(_gathering(on_host, "not a device node"))
        device = _device(resolved, target, access or "rwm")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(_gathering(on_host, reason)) from error
    if device is None:
        raise InvalidArgument(_gathering(on_host, "not a device node"))
    return [device]


def _gathering(path: str, reason: str) -> str:
    return f'error gathering device information while adding custom device "{path}": {reason}'


def all_devices(folder: Path, target: str = "", access: str = "rwm") -> list[Device]:
    """All device nodes in ``folder`` and below, without those that every container has instances of its own of."""
    found: list[Device] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        inside = f"{target or folder}/{entry.name}"
        if entry.is_symlink() or entry.name in _SKIPPED or inside == "/dev/console":
            continue
        if entry.is_dir(follow_symlinks=False):
            found += all_devices(Path(entry.path), inside, access)
        elif device := _device(Path(entry.path), inside, access):
            found.append(device)
    return found


def _device(path: Path, target: str, access: str) -> Device | None:
    status = path.lstat()
    kind: Literal["b", "c"]
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        return None
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return Device(target, kind, major, minor, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, access)
