"""Both of our processes end when they are told to, whatever of them does not."""

import asyncio
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from pier.daemon.ending import LONGEST, STUCK
from pier.linux.process import Child
from pier.testing.engine import RunningEngine
from pier.testing.registry import free_port, running

PROGRAM = str(Path(__file__).with_name("stubborn.py"))
READY = b"msg=ready"
NAMED = {
    "task": r'msg="a task goes on" .*stubborn.py:\d+ task',
    "thread": r'msg="a thread goes on" thread=worker_\d+ .*stubborn.py:\d+ _stay',
    "loop": r'msg="a thread goes on" thread=MainThread waits=.*stubborn.py:\d+ loop',
}
"""What goes on, and what the log says of it."""
SLACK = 30.0
"""Seconds that a busy machine may take besides."""


@asynccontextmanager
async def registry(folder: Path, what: str) -> AsyncIterator[tuple[Child, Path]]:
    listen = f"127.0.0.1:{free_port()}"
    flags = ["--root", str(folder / "root"), "--listen", listen, "--stop-wait", "1"]
    log = folder / "log"
    async with running([sys.executable, PROGRAM, what, "pier.daemon.registry", "serve", *flags], READY, log) as child:
        yield child, log


async def ended(child: Child) -> tuple[int, float]:
    """The exit code after a SIGTERM, and the seconds until then."""
    began = time.monotonic()
    child.send_signal(signal.SIGTERM)
    async with asyncio.timeout(1 + LONGEST + SLACK):
        return await child.wait(), time.monotonic() - began


async def test_a_registry_ends_whatever_goes_on(tmp_path: Path) -> None:
    """All at once: each takes as long as it may."""
    await asyncio.gather(*(leaves_all_the_same(tmp_path / what, what, named) for what, named in NAMED.items()))


async def leaves_all_the_same(folder: Path, what: str, named: str) -> None:
    await asyncio.to_thread(folder.mkdir)
    async with registry(folder, what) as (child, log):
        code, seconds = await ended(child)
    assert code == STUCK
    assert seconds >= LONGEST
    text = log.read_text()
    assert "it does not end; leaving all the same" in text
    assert re.search(named, text), text
    async with registry(folder, "deaf"):
        pass  # its records are sound


async def test_a_cancellation_that_got_lost_is_repeated(tmp_path: Path) -> None:
    async with registry(tmp_path, "deaf") as (child, log):
        code, _ = await ended(child)
    assert code == 0, "another, where it is made to leave"
    assert "it was cancelled, and goes on" in log.read_text()


async def test_a_registry_ends_at_once_where_nothing_goes_on(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pier.daemon.registry", "serve", "--root", str(tmp_path)]
    async with running([*argv, "--listen", f"127.0.0.1:{free_port()}"], READY, tmp_path / "log") as child:
        code, seconds = await ended(child)
        assert code == 0
        assert seconds < LONGEST


def test_engines_end_whatever_goes_on(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(engine_ends, tmp_path / what, what) for what in ("task", "thread")]:
            done.result()


def engine_ends(folder: Path, what: str) -> None:
    folder.mkdir()

    class Stubborn(RunningEngine):
        def argv(self) -> list[str]:
            python, _, module, *flags = super().argv()
            return [python, PROGRAM, what, module, *flags] if stubborn else super().argv()

    stubborn = True
    engine = Stubborn(folder)
    try:
        engine.start()
        assert engine.stop() == STUCK
        assert "stubborn.py" in engine.log_tail()
        stubborn = False
        engine.start()
        assert engine.stop() == 0
    finally:
        engine.remove_everything()
