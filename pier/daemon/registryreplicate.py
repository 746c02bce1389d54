"""``pier registry replicate``: ask the registry's servers for a replication, over their own database, and watch it.

The exit code is 1 where something of it failed. Who stops watching does not stop the replication.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from pier.daemon.registryruns import last_of, opened, run_command, settings_of, show_table, watch
from pier.errors import NotFound
from pier.registry.records import Records
from pier.registry.replication.rules import when
from pier.registry.replication.tasks import FAMILY, begin
from pier.registry.settings import Replication, Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    return run_command(arguments, _run)


async def _run(given: argparse.Namespace) -> int:
    settings = settings_of(given)
    rule = _rule(settings, given.name) if given.name else None
    records = await opened(settings)
    try:
        if rule is None:
            await _list(records, settings)
            return 0
        run = await begin(records, rule, int(time.time()))
        if given.detach == "true":
            print(run.id)
            return 0
        return await watch(records, run)
    finally:
        await records.stop()


def _rule(settings: Settings, name: str) -> Replication:
    for rule in settings.replication:
        if rule.name == name:
            return rule
    raise NotFound(f"no such replication in the settings: {name}")


async def _list(records: Records, settings: Settings) -> None:
    lines = [("NAME", "DIRECTION", "URL", "WHEN", "LAST", "STATE", "RESULT")]
    for rule in settings.replication:
        last = next(iter(await records.runs(FAMILY, rule.name, 1)), None)
        lines.append((rule.name, rule.direction, rule.remote.url, when(rule), *last_of(last)))
    show_table(lines)


if __name__ == "__main__":
    sys.exit(main())
