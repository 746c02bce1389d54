"""How a build that failed is told (pure): the step's last words, the Dockerfile's lines, one line of reason."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

RULE = "------"


def account(told: Json) -> str:
    """What goes to standard error. ``told`` is the engine's FAILED."""
    lines: list[str] = []
    if told.get("step"):
        lines += [RULE, f" > {told['step']}:", *told.get("output", ()), RULE]
    shown = str(told.get("shown") or "")
    return "".join(f"{line}\n" for line in lines) + shown + f"ERROR: failed to solve: {told.get('message')}\n"
