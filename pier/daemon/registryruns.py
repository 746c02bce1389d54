"""For commands beside a registry that runs: their start and end, its records, how what it was asked for goes."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pier import log
from pier.errors import InvalidArgument, PierError
from pier.metadata.registry.opening import open_records
from pier.registry.configuration import load
from pier.registry.model import Run
from pier.registry.records import Records
from pier.registry.settings import Settings

_LOOK_EVERY: Final = 0.5
_PATIENCE: Final = 10.0
"""Seconds until a server should have taken it."""

_OVERLAP: Final = 200
_SETTINGS: Final = ("config", "database", "root")


def run_command(
    arguments: Sequence[str] | None, run: Callable[[argparse.Namespace], Awaitable[int]], flags: Sequence[str] = ()
) -> int:
    """``[NAME] [--detach=true]``, the settings' own flags and ``flags``, handed to ``run``; the exit code."""
    parser = argparse.ArgumentParser("pier registry", add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--detach", default="false")
    for name in (*flags, *_SETTINGS):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args(arguments)
    log.configure("warn")
    os.umask(0o027)

    async def all_of_it() -> int:
        return await run(given)

    try:
        return asyncio.run(all_of_it())
    except PierError as error:
        print(f"pier registry: {error.message}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        return 130


def settings_of(given: argparse.Namespace) -> Settings:
    """Raises InvalidArgument."""
    return load([f"--{name}={getattr(given, name)}" for name in _SETTINGS if getattr(given, name)], os.environ)


async def opened(settings: Settings) -> Records:
    """Raises InvalidArgument where there are none."""
    root = settings.root
    if not settings.database and not await asyncio.to_thread(os.path.exists, f"{root}/registry.db"):
        raise InvalidArgument(f"there is no registry in {root}: no such file registry.db")
    return await open_records(settings.database or f"sqlite://{root}/registry.db")


def show_table(lines: Sequence[Sequence[str]]) -> None:
    """The first is the head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def last_of(run: Run | None) -> tuple[str, str, str]:
    if run is None:
        return "", "never", ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started or run.created)), run.state, run.note


async def watch(records: Records, run: Run) -> int:
    """Print its log as it comes, until it has ended; the exit code."""
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
    """What is new of a log, of which something before that may have been dropped meanwhile."""
    last = shown[-_OVERLAP:]
    place = len(shown) if text.startswith(shown) else text.rfind(last) + len(last) if last in text else 0
    print(text[place:], end="", flush=True)
    return text
