"""What the container of a RUN is like (pure)."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.build.deps import Settings
from pier.build.graph import Exec
from pier.build.request import BuildRequest, Limits
from pier.errors import InvalidArgument
from pier.runtime.accounts import Account
from pier.runtime.plan import Resources, SpecMount, SpecPlan, Ulimit

HOSTNAME: Final = "buildkitsandbox"
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GATEWAY: Final = "host-gateway"
_LATER: Final = ("/dev", "/proc", "/sys")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step runs. ``mounts`` are those of the step, and its files of ``/etc``."""

    id: str
    rootfs: Path
    netns: Path | None
    account: Account
    mounts: tuple[SpecMount, ...]
    env: tuple[str, ...]


def step_plan(op: Exec, request: BuildRequest, settings: Settings, place: Place) -> SpecPlan:
    limits = request.limits
    return SpecPlan(
        args=op.args,
        rootfs=place.rootfs,
        cgroup_path=f"{group_of(limits, settings)}/{place.id}",
        env=place.env,
        cwd=op.cwd,
        uid=place.account.uid,
        gid=place.account.gid,
        groups=place.account.groups,
        hostname=op.hostname or HOSTNAME,
        mounts=place.mounts,
        privileged=op.security == "insecure",
        netns=place.netns,
        resources=_resources(limits),
        ulimits=_ulimits(limits, settings),
        shm_size=limits.shm_size or settings.shm_size,
    )


def group_of(limits: Limits, settings: Settings) -> str:
    """The cgroup that steps get theirs in."""
    return "/" + (limits.cgroup_parent or f"{settings.cgroup_parent}/build").strip("/")


def _resources(limits: Limits) -> Resources:
    return Resources(
        memory=limits.memory,
        memory_swap=limits.memory_swap,
        cpu_shares=limits.cpu_shares,
        cpu_period=limits.cpu_period,
        cpu_quota=limits.cpu_quota,
        cpuset_cpus=limits.cpuset_cpus,
        cpuset_mems=limits.cpuset_mems,
    )


def _ulimits(limits: Limits, settings: Settings) -> tuple[Ulimit, ...]:
    chosen = {name: Ulimit(name, soft, hard) for name, (soft, hard) in settings.ulimits.items()}
    return tuple((chosen | {each.name: Ulimit(each.name, each.soft, each.hard) for each in limits.ulimits}).values())


def environment(op: Exec, proxies: Sequence[str], home: str, more: Sequence[str]) -> tuple[str, ...]:
    """``NAME=value``: of the step, and what it does not set itself. ``more`` (secrets) win."""
    defaults = (f"PATH={DEFAULT_PATH}", f"HOME={home}", *proxies)
    return tuple({text.partition("=")[0]: text for text in (*defaults, *op.env, *more)}.values())


def hosts_text(hostname: str, extra: Sequence[str], gateway: str) -> str:
    """``/etc/hosts`` of a step. ``extra``: ``name:address`` or ``name=address`` of ``--add-host``."""
    lines = [f"127.0.0.1\tlocalhost {hostname}\n", "::1\tlocalhost ip6-localhost ip6-loopback\n"]
    return "".join(lines + [_host_line(text, gateway) for text in extra])


def _host_line(text: str, gateway: str) -> str:
    name, separator, address = text.partition("=" if "=" in text else ":")
    if not name or not separator or not address:
        raise InvalidArgument(f"invalid host {text}")
    address = address.removeprefix("[").removesuffix("]")
    return f"{gateway if address == _GATEWAY else address}\t{name}\n"


def mount_points(plan: SpecPlan, folders: frozenset[str]) -> list[tuple[str, bool]]:
    """What must be there for ``plan`` to be mounted, and whether it is a folder; not what lies in other mounts."""
    wanted = dict.fromkeys(_LATER, True) | {each.destination: each.destination in folders for each in plan.mounts}
    return sorted((path, folder) for path, folder in wanted.items() if not _within(path, wanted))


def _within(path: str, others: dict[str, bool]) -> bool:
    while path not in ("/", ""):
        path = posixpath.dirname(path)
        if path in others:
            return True
    return False
