"""``pier registry replicate``: ask the registry's servers for a replication, over their own database, and watch it.

The exit code is 1 where something of it failed. Who stops watching does not stop the replication.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from pier import log
from pier.daemon.registryruns import last_of, opened, show_table, watch
from pier.errors import NotFound, PierError
from pier.registry.configuration import load
from pier.registry.records import Records
from pier.registry.replication.tasks import FAMILY, begin
from pier.registry.settings import Replication, Settings

_SETTINGS: Final = ("config", "database", "root")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    given = _parser().parse_args(arguments)
    log.configure("warn")
    try:
        return asyncio.run(_run(given))
    except PierError as error:
        print(f"pier registry: {error.message}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pier registry replicate", add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--detach", default="false")
    for name in _SETTINGS:
        parser.add_argument(f"--{name}", default="")
    return parser


async def _run(given: argparse.Namespace) -> int:
    os.umask(0o027)
    settings = load([f"--{name}={getattr(given, name)}" for name in _SETTINGS if getattr(given, name)], os.environ)
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
    lines = [("NAME", "DIRECTION", "URL", "LAST", "STATE", "RESULT")]
    for rule in settings.replication:
        last = next(iter(await records.runs(FAMILY, rule.name, 1)), None)
        lines.append((rule.name, rule.direction, rule.remote.url, *last_of(last)))
    show_table(lines)


if __name__ == "__main__":
    sys.exit(main())
