"""How times and states are put into words in ``ps`` (pure)."""

from typing import Final

from pier.containers.container import State

_IN_HOURS: Final = ((48, 1, "hours"), (14 * 24, 24, "days"), (60 * 24, 7 * 24, "weeks"), (730 * 24, 30 * 24, "months"))


def human_duration(seconds: float) -> str:
    """``Less than a second``, ``About a minute``, ``5 hours``, ``3 weeks``: as Docker counts."""
    whole, hours = int(seconds), int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if whole < 3600:
        return "About a minute" if whole < 120 else f"{whole // 60} minutes"
    if hours == 1:
        return "About an hour"
    for limit, unit, name in _IN_HOURS:
        if hours < limit:
            return f"{hours // unit} {name}"
    return f"{whole // 3600 // 24 // 365} years"


def status_text(state: State, now_ns: int) -> str:
    """``Up 3 seconds (healthy)``, ``Up 3 seconds (Paused)``, ``Exited (0) 2 minutes ago``, ``Created``."""
    up = human_duration((now_ns - state.started_at) / 1e9)
    ended = human_duration((now_ns - state.finished_at) / 1e9)
    match state.status:
        case "running":
            return f"Up {up}{_health_text(state)}"
        case "paused":
            return f"Up {up} (Paused)"
        case "restarting":
            return f"Restarting ({state.exit_code}) {ended} ago"
        case "removing":
            return "Removal In Progress"
        case "dead":
            return "Dead"
        case "created":
            return "Created"
        case _:
            return f"Exited ({state.exit_code}) {ended} ago" if state.finished_at else "Created"


def _health_text(state: State) -> str:
    if state.health is None:
        return ""
    return " (health: starting)" if state.health.status == "starting" else f" ({state.health.status})"
