"""``pier registry build``: ask the registry's servers for a build, over their own database, and watch it.

The exit code is 1 where it failed. Who stops watching does not stop the build.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from pier.daemon.registryruns import last_of, opened, run_command, settings_of, show_table, watch
from pier.errors import InvalidArgument
from pier.registry.builds.byhand import rule_of, wanted_of
from pier.registry.builds.cancel import cancel_all
from pier.registry.builds.choosing import check
from pier.registry.builds.tasks import FAMILY, begin
from pier.registry.records import Records
from pier.registry.settings import Build, Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    return run_command(arguments, _run, ("ref", "commit", "cancel"))


async def _run(given: argparse.Namespace) -> int:
    settings = settings_of(given)
    check(settings)
    rule = rule_of(settings, given.name) if given.name else None
    if given.cancel == "true":
        return await _cancel(settings, rule)
    push = wanted_of(rule, given.ref, given.commit) if rule else None
    records = await opened(settings)
    try:
        if rule is None or push is None:
            await _list(records, settings)
            return 0
        run = await begin(records, rule, push, lambda: int(time.time()))
        if given.detach == "true":
            print(run.id)
            return 0
        return await watch(records, run)
    finally:
        await records.stop()


async def _cancel(settings: Settings, rule: Build | None) -> int:
    """Print what waited or went on. Raises InvalidArgument."""
    if rule is None:
        raise InvalidArgument("say which build is to be cancelled: its name in the settings")
    records = await opened(settings)
    try:
        for run in await cancel_all(records, rule.name, lambda: int(time.time())):
            print(run.id)
    finally:
        await records.stop()
    return 0


async def _list(records: Records, settings: Settings) -> None:
    lines = [("NAME", "REPOSITORY", "IMAGE", "LAST", "STATE", "RESULT")]
    for rule in settings.build:
        last = next(iter(await records.runs(FAMILY, rule.name, 1)), None)
        lines.append((rule.name, rule.repository, rule.image, *last_of(last)))
    show_table(lines)


if __name__ == "__main__":
    sys.exit(main())
