"""``system fsck``: what lies on disk against what is recorded. Pier's own."""

from __future__ import annotations

from pier.cli.call import Call, say
from pier.cli.command import Command, Flag
from pier.client import system


def fsck(call: Call) -> int:
    """0 when all is well or was mended, 1 otherwise."""
    fix = call.flag("fix")
    problems = system.check_disk(call.client, fix).get("Problems") or []
    for problem in problems:
        mended = " (mended)" if problem.get("Fixed") else ""
        say(f"{problem['Kind']} {problem['Object']}: {problem['Message']}{mended}")
    left = sum(not problem.get("Fixed") for problem in problems)
    if not problems:
        say("Everything that is recorded is on disk, and nothing else.")
    elif left and not fix:
        say(f"{left} found. Mend them with: pier system fsck --fix")
    return 1 if left else 0


FSCK = Command(fsck, "", (Flag("fix", "bool", "Mend what is found"),), maximum=0)
