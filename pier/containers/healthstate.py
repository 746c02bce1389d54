"""Health (pure): what the results of a container's probes make of it, and when the next one is due.

A container with a check is *starting* from each start until its first success, which makes it *healthy*, or until
``retries`` failures in a row have made it *unhealthy*. In the start period failures of one that is starting do not
count, and probes come at the start interval. Times are nanoseconds, moments since the epoch.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from pier.containers.config import ContainerConfig

Condition = Literal["starting", "healthy", "unhealthy"]

SECOND: Final = 1_000_000_000
OUTPUT_LIMIT: Final = 4096
_KEPT: Final = 5
_SHELL: Final = ("/bin/sh", "-c")
_INTERVAL: Final = 30 * SECOND
_TIMEOUT: Final = 30 * SECOND
_START_INTERVAL: Final = 5 * SECOND
_RETRIES: Final = 3


class Result(msgspec.Struct, frozen=True):
    """One probe. ``exit_code`` -1: it could not be run, or took too long; ``output`` then says so."""

    started_at: int
    ended_at: int
    exit_code: int
    output: str


class Health(msgspec.Struct, frozen=True):
    """What a container's record keeps. ``log`` has the last five results, the newest at the end."""

    status: Condition = "starting"
    failing_streak: int = 0
    log: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A health check with its defaults filled in."""

    command: tuple[str, ...]
    interval: int = _INTERVAL
    timeout: int = _TIMEOUT
    start_period: int = 0
    start_interval: int = _START_INTERVAL
    retries: int = _RETRIES


def check_of(config: ContainerConfig) -> Check | None:
    """The check that a container's configuration asks for; None where there is none, or ``NONE``."""
    wanted = config.healthcheck
    kind, *words = (wanted.test if wanted else None) or ("NONE",)
    if wanted is None or kind not in ("CMD", "CMD-SHELL"):
        return None
    shell = config.shell or _SHELL
    return Check(
        command=tuple(words) if kind == "CMD" else (*shell, *words),
        interval=wanted.interval or _INTERVAL,
        timeout=wanted.timeout or _TIMEOUT,
        start_period=wanted.start_period,
        start_interval=wanted.start_interval or _START_INTERVAL,
        retries=wanted.retries or _RETRIES,
    )


def at_start(config: ContainerConfig, before: Health | None) -> Health | None:
    """The health of a container that starts; the log goes on. None: it has no check."""
    if check_of(config) is None:
        return None
    return Health(log=before.log if before else ())


def at_end(before: Health | None) -> Health | None:
    """The health of one that has ended: it serves nobody."""
    return msgspec.structs.replace(before, status="unhealthy") if before else None


def judge(health: Health, check: Check, result: Result, started_at: int) -> Health:
    """The health after one more probe of a container that started at ``started_at``."""
    log = (*health.log, result)[-_KEPT:]
    if result.exit_code == 0:
        return Health("healthy", 0, log)
    if health.status == "starting" and result.started_at - started_at < check.start_period:
        return Health("starting", health.failing_streak, log)
    streak = health.failing_streak + 1
    return Health("unhealthy" if streak >= check.retries else health.status, streak, log)


def interval(health: Health, check: Check, started_at: int, now: int) -> int:
    """How long to wait from ``now`` until the next probe."""
    in_start_period = now - started_at < check.start_period
    return check.start_interval if in_start_period and health.status == "starting" else check.interval


def remaining(health: Health, check: Check, started_at: int, now: int) -> int:
    """The same for a daemon that finds the container running: the wait began with the last probe, or the start."""
    since = max([started_at, *(each.ended_at for each in health.log)])
    whole = interval(health, check, started_at, since)
    return min(max(since + whole - now, 0), whole)


def timed_out(check: Check, output: str) -> str:
    """What is said of a probe that was killed: ``Health check exceeded timeout (1.5s): what it wrote``."""
    said = f"Health check exceeded timeout ({duration(check.timeout)})"
    return f"{said}: {output}" if output else said


def duration(nanoseconds: int) -> str:
    """``500ms``, ``1.5s``, ``1m30s``, ``2h0m0s``."""
    if nanoseconds < SECOND:
        return f"{_decimal(nanoseconds, SECOND // 1000)}ms"
    minutes, rest = divmod(nanoseconds, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{_decimal(rest, SECOND)}s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)
