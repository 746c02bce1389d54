"""Checking what a container asks of the host's resources (pure)."""

from typing import Final

from pier.containers.hostconfig import HostConfig, Ulimit
from pier.errors import InvalidArgument

MINIMUM_MEMORY: Final = 6 * 1024 * 1024
_ULIMITS: Final = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip
_OOM_WARNING: Final = (
    "OOM killer is disabled for the container, but no memory limit is set, "
    "this can result in the system running out of resources."
)


def check_resources(host: HostConfig, cpus: frozenset[int]) -> list[str]:
    """Warnings; InvalidArgument in Docker's words. ``cpus`` are the processors of the machine, by number."""
    for check in (_memory, _swap, _shares):
        check(host)
    _cpu(host, len(cpus))
    _cpuset(host.cpuset_cpus, cpus, "cpuset cpus", "CPUs")
    _cpuset(host.cpuset_mems, None, "cpuset mems", "memory nodes")
    for ulimit in host.ulimits or ():
        _ulimit(ulimit)
    return [_OOM_WARNING] if host.oom_kill_disable and not host.memory else []


def parse_set(text: str) -> frozenset[int]:
    """``0-2,7`` as numbers; ValueError when it is none, or one of them is above 8191."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        low, high = int(first), int(last if dash else first)
        if not 0 <= low <= high < 8192:
            raise ValueError(part)
        found.update(range(low, high + 1))
    return frozenset(found)


def _refuse_if(*rules: tuple[bool, str]) -> None:
    for wrong, message in rules:
        if wrong:
            raise InvalidArgument(message)


def _memory(host: HostConfig) -> None:
    reservation = host.memory_reservation
    _refuse_if(
        (host.memory < 0, "invalid memory limit: must not be negative"),
        (0 < host.memory < MINIMUM_MEMORY, "Minimum memory limit allowed is 6MB"),
        (0 < reservation < MINIMUM_MEMORY, "Minimum memory reservation allowed is 6MB"),
        (
            0 < host.memory < reservation,
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (host.shm_size < 0, "SHM size can not be less than 0"),
    )


def _swap(host: HostConfig) -> None:
    swappiness = host.memory_swappiness
    _refuse_if(
        (
            0 < host.memory_swap < host.memory,
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            host.memory == 0 and host.memory_swap > 0,
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            swappiness is not None and not -1 <= swappiness <= 100,
            f"Invalid value: {swappiness}, valid memory swappiness range is 0-100",
        ),
    )


def _shares(host: HostConfig) -> None:
    adjustment = host.oom_score_adj
    weight = host.blkio_weight
    _refuse_if(
        (host.cpu_shares < 0, "CPU shares must not be negative"),
        (
            not -1000 <= adjustment <= 1000,
            f"Invalid value {adjustment}, range for oom score adj is [-1000, 1000]",
        ),
        (weight != 0 and not 10 <= weight <= 1000, "Range of blkio weight is from 10 to 1000"),
    )


def _cpu(host: HostConfig, available: int) -> None:
    nano, period, quota = host.nano_cpus, host.cpu_period, host.cpu_quota
    _refuse_if(
        (nano > 0 and period > 0, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        (nano > 0 and quota > 0, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        (
            nano < 0 or nano > available * 1_000_000_000,
            f"Range of CPUs is from 0.01 to {available}.00, as there are only {available} CPUs available",
        ),
        (
            period != 0 and not 1000 <= period <= 1_000_000,
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (0 < quota < 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    )


def _cpuset(text: str, available: frozenset[int] | None, what: str, plural: str) -> None:
    if not text:
        return
    try:
        wanted = parse_set(text)
    except ValueError as error:
        raise InvalidArgument(f"Invalid value {text} for {what}: invalid format: {text}") from error
    if available is not None and not wanted <= available:
        raise InvalidArgument(
            f"Requested {plural} are not available - requested {text}, available: {format_set(available)}"
        )


def format_set(numbers: frozenset[int]) -> str:
    """The kernel's form of a set: ``0-2,7``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _ulimit(ulimit: Ulimit) -> None:
    soft, hard = ulimit.soft, ulimit.hard
    _refuse_if(
        (ulimit.name not in _ULIMITS, f"invalid ulimit type: {ulimit.name}"),
        (
            hard != -1 and (soft == -1 or soft > hard),
            f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}",
        ),
    )
