"""``GET /system/fsck``: what is on disk and in the kernel against what the records say."""

import asyncio
from typing import Any

from pier.containers.deps import Deps


async def findings(deps: Deps, *, fix: bool) -> list[dict[str, Any]]:
    """Everything that does not fit, ``{"Kind", "Path", "Detail", "Fixed"}`` each; empty when all is well.

    ``fix`` finishes or undoes what was left half-done, removes what is nobody's, and reports what remains.
    """
    if fix:
        before = await _find(deps)
        await asyncio.to_thread(deps.snapshots.repair)
        remaining = await _find(deps)
        return [finding | {"Fixed": finding not in remaining} for finding in before]
    return [finding | {"Fixed": False} for finding in await _find(deps)]


async def _find(deps: Deps) -> list[dict[str, Any]]:
    snapshots = await asyncio.to_thread(deps.snapshots.verify)
    found = [{"Kind": each.kind, "Path": each.path, "Detail": each.detail} for each in snapshots]
    found += [{"Kind": "network", "Path": "", "Detail": text} for text in await deps.networks.verify()]
    return found
