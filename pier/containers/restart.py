"""The restart policy (pure): what happens after a process has ended."""

from dataclasses import dataclass
from typing import Final

from pier.containers.hostconfig import RestartPolicy
from pier.errors import InvalidArgument

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 60.0
STABLE_AFTER: Final = 10.0
_NAMES: Final = ("", "no", "always", "on-failure", "unless-stopped")


@dataclass(frozen=True, slots=True)
class Ending:
    """One end of a process. ``ran_for`` and ``last_delay`` in seconds; ``restarts`` made so far by the policy."""

    exit_code: int
    stopped_by_user: bool
    restarts: int
    ran_for: float
    last_delay: float


def restart_delay(policy: RestartPolicy, ending: Ending) -> float | None:
    """Seconds to wait before starting again, or None: it stays ended."""
    return _delay(ending) if _again(policy, ending) else None


def starts_with_daemon(policy: RestartPolicy, stopped_by_user: bool) -> bool:
    """Whether a container that is found ended when the daemon starts is to be started."""
    return policy.name == "always" or (policy.name == "unless-stopped" and not stopped_by_user)


def check_policy(policy: RestartPolicy) -> None:
    """InvalidArgument when there is no such policy, or its count makes no sense."""
    if policy.name not in _NAMES:
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{policy.name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if policy.name != "on-failure" and policy.maximum_retry_count != 0:
        raise InvalidArgument("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if policy.maximum_retry_count < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")


def _again(policy: RestartPolicy, ending: Ending) -> bool:
    if ending.stopped_by_user:
        return False
    if policy.name == "on-failure":
        most = policy.maximum_retry_count
        return ending.exit_code != 0 and (most == 0 or ending.restarts < most)
    return policy.name in ("always", "unless-stopped")


def _delay(ending: Ending) -> float:
    if ending.ran_for >= STABLE_AFTER or ending.last_delay == 0:
        return FIRST_DELAY
    return min(ending.last_delay * 2, LONGEST_DELAY)
