"""Seccomp profiles: Docker's file format, lowered to the OCI form for one set of capabilities. Pure but for `load`.

Docker's format (``archMap``; rules that hold only with or without certain capabilities, architectures and kernel
versions) is what ``--security-opt seccomp=FILE`` takes and what the containers-common package ships as its
default. That default leaves namespaces, mounts and keyrings to the capabilities alone; :func:`as_docker` takes
from an unprivileged container what Docker's own default takes, because a system call that is not there cannot be
attacked. See seccomp(2) and Docker's "Seccomp security profiles for Docker".
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from pier.errors import InvalidArgument

DEFAULT_PATHS: Final = (
    Path("/etc/containers/seccomp.json"),
    Path("/usr/share/containers/seccomp.json"),
)
PACKAGE: Final = "containers-common (golang-github-containers-common on Debian)"

_ARCHITECTURES: Final = {
    "amd64": "SCMP_ARCH_X86_64",
    "386": "SCMP_ARCH_X86",
    "arm64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "s390x": "SCMP_ARCH_S390X",
    "riscv64": "SCMP_ARCH_RISCV64",
    "mips64le": "SCMP_ARCH_MIPSEL64",
}
_EPERM: Final = 1
_ENOSYS: Final = 38
_NAMESPACE_FLAGS: Final = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_AF_VSOCK: Final = 40

_MAKES_MOUNTS: Final = "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree umount umount2"
_NEEDS: Final = {
    "CAP_SYS_ADMIN": ("setns", "unshare", *_MAKES_MOUNTS.split()),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYSLOG": ("syslog",),
    "CAP_SYS_NICE": ("get_mempolicy", "mbind", "set_mempolicy"),
    "CAP_SYS_PTRACE": ("pidfd_getfd",),
}
_FOR_NO_ONE: Final = ("add_key", "keyctl", "request_key", "pivot_root", "userfaultfd")
_NEWER: Final = "cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake map_shadow_stack"
_HARMLESS: Final = ("io_pgetevents", "io_pgetevents_time64", "vmsplice", *_NEWER.split())


class Argument(msgspec.Struct, frozen=True, rename={"value_two": "valueTwo"}):
    """A comparison of one argument of a system call."""

    index: int
    value: int
    op: str
    value_two: int = 0


class Condition(msgspec.Struct, frozen=True, rename={"min_kernel": "minKernel"}):
    """When a rule counts: all of what is said (as includes), or none of it (as excludes)."""

    caps: tuple[str, ...] | None = None
    arches: tuple[str, ...] | None = None
    min_kernel: str | None = None


class Rule(msgspec.Struct, frozen=True, rename={"errno_ret": "errnoRet"}):
    """What happens at certain system calls."""

    action: str
    names: tuple[str, ...] | None = None
    name: str | None = None
    args: tuple[Argument, ...] | None = None
    includes: Condition | None = None
    excludes: Condition | None = None
    errno_ret: int | None = None

    @property
    def calls(self) -> tuple[str, ...]:
        return self.names or ((self.name,) if self.name else ())


class Architecture(msgspec.Struct, frozen=True, rename={"sub_architectures": "subArchitectures"}):
    architecture: str
    sub_architectures: tuple[str, ...] | None = None


class ProfileFile(
    msgspec.Struct,
    frozen=True,
    rename={"default_action": "defaultAction", "default_errno": "defaultErrnoRet", "arch_map": "archMap"},
):
    """The file. ``architectures`` is the older spelling of ``archMap``."""

    default_action: str
    default_errno: int | None = None
    arch_map: tuple[Architecture, ...] | None = None
    architectures: tuple[str, ...] | None = None
    syscalls: tuple[Rule, ...] | None = None
    flags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile. ``strict``: hold it to what Docker's default forbids (:func:`as_docker`)."""

    file: ProfileFile
    strict: bool = False


def parse(data: bytes | str, *, strict: bool = False) -> Profile:
    """Read a profile; ``InvalidArgument`` as Docker words it."""
    try:
        return Profile(msgspec.json.decode(data, type=ProfileFile), strict)
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from error


def load(paths: tuple[Path, ...] = DEFAULT_PATHS) -> Profile | None:
    """The host's default profile, held to Docker's strictness; ``None`` when none of the files is there."""
    for path in paths:
        if path.is_file():
            return parse(path.read_bytes(), strict=True)
    return None


@functools.lru_cache(maxsize=64)
def lower(profile: Profile, capabilities: frozenset[str], architecture: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """The ``linux.seccomp`` object for a container with these capabilities. The result is shared: do not change it."""
    file = profile.file
    rules = [rule for rule in file.syscalls or () if _counts(rule, capabilities, architecture, kernel)]
    if profile.strict:
        rules = as_docker(rules, capabilities)
    lowered: dict[str, Any] = {
        "defaultAction": file.default_action,
        "architectures": _architectures(file, architecture),
        "syscalls": [_lowered(rule) for rule in rules if rule.calls],
    }
    if file.default_errno is not None:
        lowered["defaultErrnoRet"] = file.default_errno
    if file.flags:
        lowered["flags"] = list(file.flags)
    return lowered


def _counts(rule: Rule, capabilities: frozenset[str], architecture: str, kernel: tuple[int, int]) -> bool:
    includes, excludes = rule.includes or Condition(), rule.excludes or Condition()
    if includes.caps and not set(includes.caps) <= capabilities:
        return False
    if excludes.caps and set(excludes.caps) & capabilities:
        return False
    if includes.arches and architecture not in includes.arches:
        return False
    if excludes.arches and architecture in excludes.arches:
        return False
    if includes.min_kernel and kernel < _kernel(includes.min_kernel):
        return False
    return not (excludes.min_kernel and kernel >= _kernel(excludes.min_kernel))


def _kernel(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    try:
        return int(major), int(minor or 0)
    except ValueError as error:
        raise InvalidArgument(f"invalid kernel version in seccomp profile: {text}") from error


def _architectures(file: ProfileFile, architecture: str) -> list[str]:
    if file.architectures:
        return list(file.architectures)
    native = _ARCHITECTURES.get(architecture)
    for entry in file.arch_map or ():
        if entry.architecture == native:
            return [entry.architecture, *(entry.sub_architectures or ())]
    return [native] if native else []


def _lowered(rule: Rule) -> dict[str, Any]:
    lowered: dict[str, Any] = {"names": list(rule.calls), "action": rule.action}
    if rule.errno_ret is not None:
        lowered["errnoRet"] = rule.errno_ret
    if rule.args:
        lowered["args"] = [
            {"index": arg.index, "value": arg.value, "valueTwo": arg.value_two, "op": arg.op} for arg in rule.args
        ]
    return lowered


def as_docker(rules: list[Rule], capabilities: frozenset[str]) -> list[Rule]:
    """``rules`` without what Docker's default does not let these capabilities call.

    New namespaces and mounts need SYS_ADMIN (``clone`` is allowed without the flags that make namespaces,
    ``clone3``, whose flags no filter can see, "does not exist", so that libraries fall back), keyrings and
    ``pivot_root`` are for no one, AF_VSOCK is closed.
    """
    needed = {call for need, calls in _NEEDS.items() if need not in capabilities for call in calls}
    forbidden = (*sorted(needed), *_FOR_NO_ONE)
    unprivileged = "CAP_SYS_ADMIN" not in capabilities
    ours = {*forbidden, *_HARMLESS, "socket", *(("clone", "clone3") if unprivileged else ())}
    kept = [_without(rule, ours) for rule in rules]
    kept.append(Rule("SCMP_ACT_ERRNO", forbidden, errno_ret=_EPERM))
    kept.append(Rule("SCMP_ACT_ALLOW", _HARMLESS))
    kept.append(Rule("SCMP_ACT_ALLOW", ("socket",), args=(Argument(0, _AF_VSOCK, "SCMP_CMP_NE"),)))
    if unprivileged:
        no_namespaces = Argument(0, _NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ")
        kept.append(Rule("SCMP_ACT_ALLOW", ("clone",), args=(no_namespaces,)))
        kept.append(Rule("SCMP_ACT_ERRNO", ("clone3",), errno_ret=_ENOSYS))
    return kept


def _without(rule: Rule, calls: set[str]) -> Rule:
    return msgspec.structs.replace(rule, names=tuple(call for call in rule.calls if call not in calls), name=None)
