"""Hearing of changes in a folder."""

import asyncio
from pathlib import Path

import pytest

from pier.linux import inotify


async def test_changes_wake(tmp_path: Path) -> None:
    with inotify.Watch() as watch:
        watch.add(tmp_path, inotify.CREATE | inotify.MODIFY)
        waiter = asyncio.create_task(watch.changed())
        await asyncio.sleep(0)
        assert not waiter.done()
        (tmp_path / "file").write_text("x")
        await asyncio.wait_for(waiter, 60)


async def test_what_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    watch = inotify.Watch()
    with pytest.raises(FileNotFoundError):
        watch.add(tmp_path / "nothing", inotify.MODIFY)
    watch.close()
    watch.close()
