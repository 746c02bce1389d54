"""``registry gc|fsck``: become the program that does the registry's housekeeping by hand."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.commands.registry import become, given
from pier.cli.commands.registryadmin import WHERE

STORAGE = Flag("storage", "string", "The registry's storage (default: ROOT/blobs)")


def run(call: Call) -> int:
    return become("pier.daemon.registrykeep", [call.path.rpartition(" ")[2], *given(call)])


GC = Command(
    run,
    "",
    (*WHERE, STORAGE, Flag("dry-run", "bool", "Only say which tags the retention rules would delete")),
    maximum=0,
    details="""
A registry that runs does all of this by itself. This does it now, on the registry's host and as its user, whether the
registry runs or not: delete what the retention rules let go, end uploads that nobody goes on with, and give the space
of blobs back that nothing needs. What has just been deleted is kept for two collections more, for pushes that are under
way: a registry that runs gives that space back soon after.
""",
    examples=(("pier registry gc --dry-run", "What would the retention rules delete?"),),
)
FSCK = Command(
    run,
    "",
    (
        *WHERE,
        STORAGE,
        Flag("data", "bool", "Read all bytes and compare their digests"),
        Flag(
            "fix",
            "bool",
            "Delete bytes that nothing knows, correct counts, and let lost blobs be pushed again",
        ),
    ),
    maximum=0,
    details="""
Compares the registry's database with its storage, both ways, also while the registry runs. A line for each finding:

  lost       a blob's bytes are gone, cut off or (--data) others, and which images need it
  dangling   a tag, an image or an index names what is not there
  leftover   bytes that nothing knows
  count      a count or a sum that is wrong

The exit code is 1 where something is lost. With --fix a lost blob counts as one that nobody has pushed yet: the next
push of an image with it brings it, and heals all that need it.
""",
    examples=(("pier registry fsck --fix", "Check, and mend what can be mended"),),
)
