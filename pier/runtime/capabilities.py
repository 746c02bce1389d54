"""Capability names (capabilities(7)) and the sets that containers get. Pure."""

from collections.abc import Iterable
from typing import Final

from pier.errors import InvalidArgument

_BY_NUMBER: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
    "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
_DOCKER: Final = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE"
)

ALL_NAMES: Final = tuple(f"CAP_{name}" for name in _BY_NUMBER.split())
"""By number: the index is the bit in the kernel's masks."""

DEFAULT: Final = frozenset(f"CAP_{name}" for name in _DOCKER.split())
"""What a container has unless it is told otherwise: Docker's fourteen."""

_EVERY: Final = "ALL"


def from_mask(mask: int) -> frozenset[str]:
    """The names in a mask of the kernel's, as in ``CapBnd`` of /proc/self/status."""
    return frozenset(name for bit, name in enumerate(ALL_NAMES) if mask >> bit & 1)


def normalise(names: Iterable[str], available: frozenset[str], what: str) -> tuple[str, ...]:
    """Names as users write them (``net_admin``, ``CAP_NET_ADMIN``, ``all``) in one spelling.

    ``what`` is ``CapAdd`` or ``CapDrop``: ``InvalidArgument`` for those that no kernel has, or this one has not.
    """
    checked = []
    for given in names:
        upper = given.upper()
        name = upper if upper == _EVERY or upper.startswith("CAP_") else f"CAP_{upper}"
        if name != _EVERY and name not in ALL_NAMES:
            raise InvalidArgument(f'invalid {what}: unknown capability: "{name}"')
        if name != _EVERY and name not in available and what == "CapAdd":
            raise InvalidArgument(
                f"invalid {what}: capability not supported by your kernel or not available in the current environment: "
                f'"{name}"'
            )
        checked.append(name)
    return tuple(checked)


def effective(add: Iterable[str], drop: Iterable[str], privileged: bool, available: frozenset[str]) -> tuple[str, ...]:
    """The set that a container gets, in the kernel's order. ``add`` and ``drop`` are normalised names."""
    adding, dropping = set(add), set(drop)
    if privileged:
        chosen = set(available)
    elif _EVERY in adding:
        chosen = set(available) - dropping
    elif _EVERY in dropping:
        chosen = adding
    else:
        chosen = (set(DEFAULT) - dropping) | adding
    return tuple(name for name in ALL_NAMES if name in chosen and name in available)
