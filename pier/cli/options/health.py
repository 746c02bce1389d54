"""``--health-*`` to the API's Healthcheck."""

from __future__ import annotations

from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.call import Call

FIELDS = {
    "health-interval": "Interval",
    "health-timeout": "Timeout",
    "health-start-period": "StartPeriod",
    "health-start-interval": "StartInterval",
    "health-retries": "Retries",
}


def healthcheck(call: Call) -> dict[str, Any] | None:
    """None leaves the image's own check. Raises InvalidArgument."""
    given = [name for name in ("health-cmd", *FIELDS) if call.given(name)]
    if call.flag("no-healthcheck"):
        if given:
            raise InvalidArgument("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if not given:
        return None
    check: dict[str, Any] = {}
    if call.text("health-cmd"):
        check["Test"] = ["CMD-SHELL", call.text("health-cmd")]
    for flag, field in FIELDS.items():
        value = call.get(flag) or 0
        if value < 0:
            raise InvalidArgument(f"--{flag} cannot be negative")
        if value:
            check[field] = value
    return check
