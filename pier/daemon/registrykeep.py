"""``pier registry gc|fsck``: housekeeping by hand, over the servers' own database and storage, also while they run.

Prints a line for each thing that was found or deleted. The exit code is 1 where something is lost.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from pier import log
from pier.daemon.registryruns import opened
from pier.errors import PierError
from pier.registry.configuration import load
from pier.registry.deps import Registry
from pier.registry.housekeeping.check import check
from pier.registry.housekeeping.collect import collect, end_stale_uploads
from pier.registry.housekeeping.retain import retain
from pier.registry.storages.opening import open_storage

_SWITCHES: Final = {"gc": ("--dry-run",), "fsck": ("--fix", "--data")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    verb = words.pop(0) if words else ""
    if verb not in _SWITCHES:
        print("usage: pier registry gc|fsck [OPTIONS]", file=sys.stderr)
        return 125
    log.configure("warn")
    try:
        return asyncio.run(_run(verb, words))
    except PierError as error:
        print(f"pier registry: {error.message}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        return 130


async def _run(verb: str, words: list[str]) -> int:
    os.umask(0o027)
    switches = {name: f"{name}=true" in words or name in words for name in _SWITCHES[verb]}
    rest = [word for word in words if word.partition("=")[0] not in switches]
    settings = load(rest, os.environ)
    records = await opened(settings)
    try:
        storage = await open_storage(settings.storage or f"file://{settings.root}/blobs")
        try:
            registry = Registry(records, storage, settings)
            if verb == "gc":
                return await _collect(registry, switches["--dry-run"])
            return await _check(registry, switches["--fix"], switches["--data"])
        finally:
            await storage.stop()
    finally:
        await records.stop()


async def _collect(registry: Registry, dry_run: bool) -> int:
    """Blobs that a tag gives up here are kept for a moment: the server's next collections take them."""
    verb = "would delete" if dry_run else "deleted"
    async with aclosing(retain(registry, dry_run=dry_run)) as going:
        async for each in going:
            print(f"{verb} {each.repository}{f':{each.tag}' if each.tag else ''} {each.digest}")
    if not dry_run:
        uploads = await end_stale_uploads(registry)
        print(f"ended {uploads} uploads, freed {await collect(registry)} bytes")
    return 0


async def _check(registry: Registry, fix: bool, data: bool) -> int:
    lost = others = mended = 0
    async with aclosing(check(registry, fix=fix, data=data)) as findings:
        async for finding in findings:
            print(f"{finding.kind}: {finding.text}", flush=True)
            lost += finding.kind in ("lost", "dangling")
            others += finding.kind not in ("lost", "dangling")
            mended += finding.mended
    print(f"{lost} lost, {others} other findings, {mended} mended")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
