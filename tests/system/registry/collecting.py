"""Collects with a clock that is a day ahead, until it is killed: ``python collecting.py ROOT``."""

import asyncio
import sys
import time

from pier.metadata.registry.opening import open_records
from pier.registry.deps import Registry
from pier.registry.housekeeping.collect import collect
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage

DAY = 24 * 3600


async def main(root: str, batches: str) -> None:
    records = await open_records(f"sqlite://{root}/registry.db")
    storage = await open_storage(f"file://{root}/blobs")
    turns = DAY * (int(batches) + 1)
    registry = Registry(records, storage, Settings(), clock=lambda: time.time() + turns)
    print("ready", flush=True)
    while True:
        await collect(registry)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
