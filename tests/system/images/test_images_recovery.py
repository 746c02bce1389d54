"""Killed in the middle of a load: the next start leaves either the whole image or nothing of it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from pier.images import archive
from pier.images.release import collect
from pier.log import set_tracer
from pier.testing.images import Told, layers_left, make_images, pieces
from pier.testing.tars import Saved, entry, tar

SAVED = Saved([tar(entry("a", b"1")), tar(entry("b", os.urandom(300_000))), tar(entry("c", b"3"))], ["x:1"])


def killed_while_loading(root: Path, point: str, times: int) -> bool:
    """Load in a child that kills itself when it comes to ``point`` for the ``times``-th time."""
    child = os.fork()
    if child == 0:
        left = times

        def count(name: str) -> None:
            nonlocal left
            left -= name == point
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            set_tracer(count)
            asyncio.run(load(root))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


async def load(root: Path) -> None:
    await archive.load(make_images(root), pieces(SAVED.oci(names=["x:1"])), Told())


@pytest.mark.parametrize(
    ("point", "times"),
    [("layer:begun", 1), ("layer:begun", 3), ("layer:unpacked", 1), ("layer:recorded", 1), ("layer:recorded", 3)],
)
async def test_a_load_that_was_killed(tmp_path: Path, point: str, times: int) -> None:
    root = tmp_path / "root"
    assert killed_while_loading(root, point, times)
    images = make_images(root)
    images.snapshots.recover()
    await collect(images)
    assert images.store.list() == []
    assert (layers_left(images), images.snapshots.verify(), images.journal.pending()) == ([], [], [])
    assert list(images.content.walk()) == []
    (image,) = await archive.load(images, pieces(SAVED.oci(names=["x:1"])), Told())
    assert image.repo_tags == ("docker.io/library/x:1",)
    images.snapshots.close()
    images.content.close()
