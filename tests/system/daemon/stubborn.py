"""A program that runs one of ours with a part that does not end: ``stubborn.py WHAT MODULE ARGUMENTS...``.

``task`` never heeds that it is cancelled, ``deaf`` does not the first time, ``thread`` is one of the loop's own pool,
``loop`` holds the loop itself.
"""

import asyncio
import importlib
import sys
import threading
from typing import Any

import pytest

_FOREVER = threading.Event()
_tasks: list[asyncio.Task[None]] = []
_stuck: list[asyncio.Future[None]] = []


async def task() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def deaf() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def thread() -> None:
    stuck = threading.Event()
    _stuck.append(asyncio.get_running_loop().run_in_executor(None, _stay, stuck))
    stuck.wait()


def _stay(stuck: threading.Event) -> None:
    stuck.set()
    _FOREVER.wait()


async def loop() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        _FOREVER.wait()


def main(what: str, module: str, arguments: list[str]) -> int:
    program = importlib.import_module(module)
    part = {"task": task, "deaf": deaf, "thread": thread, "loop": loop}[what]
    place = importlib.import_module("pier.daemon.serve") if module == "pier.daemon.main" else program
    wire = place.wire

    async def wired(given: Any) -> Any:
        wired = await wire(given)
        if hasattr(wired, "working"):
            wired.working.append(part)
        else:
            _tasks.append(asyncio.create_task(part()))
        return wired

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "wire", wired)
        code: int = program.main(arguments)
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
