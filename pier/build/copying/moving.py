"""Moving the files that are listed: few in a thread, many in helper processes."""

import asyncio

from pier.build.copying.landing import Landing, not_replaced
from pier.build.threads import in_thread
from pier.linux import helper
from pier.linux.files import disk_errors
from pier.linux.transfer import Group, transfer

_FEW = 64
_LITTLE = 4 << 20
_WORKERS = 2


async def move(landing: Landing) -> None:
    """A little in a thread, much in helper processes, one a core. Raises NoSpace."""
    groups, xattrs = list(landing.groups.values()), landing.attributes.xattrs
    items = sum(len(group[2]) for group in groups)
    if items <= _FEW and sum(item[7] for group in groups for item in group[2]) <= _LITTLE:
        await in_thread(_transfer, landing, groups)
        return
    parts = [part for part in _shared(groups) if part]
    try:
        async with asyncio.TaskGroup() as workers:
            for part in parts:
                workers.create_task(_run(landing, part, xattrs))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _transfer(landing: Landing, groups: list[Group]) -> None:
    try:
        with disk_errors():
            transfer(landing.source, landing.target, groups, xattrs=landing.attributes.xattrs)
    except IsADirectoryError as error:
        raise not_replaced(error.filename) from error


def _shared(groups: list[Group]) -> list[list[Group]]:
    """The same number of files for each worker; a large folder is divided."""
    parts: list[list[Group]] = [[] for _ in range(_WORKERS)]
    for there, here, items in groups:
        step = -(-len(items) // _WORKERS)
        for number, start in enumerate(range(0, len(items), step)):
            parts[number % _WORKERS].append((there, here, items[start : start + step]))
    return parts


async def _run(landing: Landing, groups: list[Group], xattrs: str) -> None:
    running = await helper.start_transfer(landing.source, landing.target, groups, xattrs=xattrs)
    try:
        await running.finish()
    finally:
        await running.kill()
