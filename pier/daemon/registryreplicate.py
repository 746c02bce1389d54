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
from pier.errors import InvalidArgument, NotFound, PierError
from pier.metadata.registry.opening import open_records
from pier.registry.configuration import load
from pier.registry.model import Run
from pier.registry.records import Records
from pier.registry.replication.tasks import FAMILY, begin
from pier.registry.settings import Replication, Settings

_SETTINGS: Final = ("config", "database", "root")
_LOOK_EVERY: Final = 0.5
_PATIENCE: Final = 10.0
"""Seconds until a server should have taken it."""


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
    root = settings.root
    if not settings.database and not await asyncio.to_thread(os.path.exists, f"{root}/registry.db"):
        raise InvalidArgument(f"there is no registry in {root}: no such file registry.db")
    records = await open_records(settings.database or f"sqlite://{root}/registry.db")
    try:
        if rule is None:
            await _list(records, settings)
            return 0
        run = await begin(records, rule, int(time.time()))
        if given.detach == "true":
            print(run.id)
            return 0
        return await _watch(records, run)
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
        lines.append((rule.name, rule.direction, rule.remote.url, *_last(last)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _last(run: Run | None) -> tuple[str, str, str]:
    if run is None:
        return "", "never", ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started or run.created)), run.state, run.note


async def _watch(records: Records, run: Run) -> int:
    """Print its log as it comes."""
    shown = ""
    began = time.monotonic()
    told = False
    while run.state not in ("done", "failed"):
        if not run.started and not told and time.monotonic() - began > _PATIENCE:
            told = True
            print("no registry has taken it yet; it waits for one that runs", file=sys.stderr)
        await asyncio.sleep(_LOOK_EVERY)
        run = await records.run(run.id) or run
        shown = _show(run.log, shown)
    print(run.note)
    return 0 if run.state == "done" else 1


def _show(text: str, shown: str) -> str:
    """What is new of a log, whose beginning may have been dropped meanwhile."""
    new = text.removeprefix(shown) if text.startswith(shown) else text
    print(new, end="", flush=True)
    return text


if __name__ == "__main__":
    sys.exit(main())
