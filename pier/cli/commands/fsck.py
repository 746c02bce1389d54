"""``system fsck``: what lies on disk against what is recorded. Pier's own."""

from __future__ import annotations

from pier.cli.call import Call, say
from pier.cli.command import Command, Flag
from pier.client import system


def fsck(call: Call) -> int:
    """0 when all is well or was mended, 1 otherwise."""
    fix = call.flag("fix")
    findings = system.check_disk(call.client, fix)
    for finding in findings:
        mended = " (mended)" if finding["Fixed"] else ""
        say(f"{finding['Kind']}: {finding['Detail']}{mended}" + (f"  {finding['Path']}" if finding["Path"] else ""))
    left = sum(not finding["Fixed"] for finding in findings)
    if not findings:
        say("Everything that is recorded is there, and nothing else.")
    elif left and not fix:
        say(f"Found: {left}. Mend what can be mended with: pier system fsck --fix")
    return 1 if left else 0


FSCK = Command(fsck, "", (Flag("fix", "bool", "Mend what is found"),), maximum=0)
