"""A container that is run to its end here and now: the runtime's ``run`` in the foreground, without a supervisor.

The runtime program is our child and holds our pipes; when the container's first process ends, all others of its pid
namespace do, and the runtime removes what it made. What it has to say of a container that it cannot start is told
from the container's own output by its log file: that stays empty unless the runtime failed.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from pier.errors import PierError
from pier.linux import cgroup
from pier.linux.pipes import Reader
from pier.linux.process import Child, spawn
from pier.linux.trees import remove_tree
from pier.runtime.program import Program
from pier.runtime.runtime import STDERR, STDOUT, Output

_LAST_WORDS: Final = 1.0
_WATCH_SECONDS: Final = 0.004
PID_FILE: Final = "pidfile"


class NotRun(Exception):
    """The runtime could not run the container; the text is what it wrote."""


async def run(program: Program, trees: cgroup.Hierarchies, id: str, bundle: Path, group: str, output: Output) -> int:
    """The exit code, 128+n for signal n. When cancelled, nothing runs any more when that is raised.

    ``group``: the container's cgroup. Raises :class:`NotRun`.
    """
    with ExitStack() as stack:
        readers = {STDOUT: Reader(), STDERR: Reader()}
        for reader in readers.values():
            stack.callback(reader.close_theirs)
        log = bundle / "runtime.log"
        argv = [program.executable(), *program.options(), "--log", str(log), "--log-format", "json"]
        argv += ["run", "--bundle", str(bundle), "--pid-file", str(bundle / PID_FILE), id]
        child = await spawn(
            argv,
            stdin=stack.enter_context(_nothing()),
            stdout=readers[STDOUT].theirs,
            stderr=readers[STDERR].theirs,
            cwd=bundle,
        )
    reading = [asyncio.create_task(_read(reader, stream, output)) for stream, reader in readers.items()]
    try:
        code = await child.wait()
        await asyncio.wait(reading, timeout=_LAST_WORDS)
    except BaseException:
        await _finish(asyncio.create_task(_kill(child, program, trees, id, group)))
        raise
    finally:
        for task in reading:
            task.cancel()
        await _finish(asyncio.gather(*reading, return_exceptions=True))
    if code and (said := _text(log)):
        await program.delete(id, force=True)
        raise NotRun(said)
    return code if code >= 0 else 128 - code


@contextmanager
def _nothing() -> Iterator[int]:
    """An input that has ended: a pipe, since the user of the container may become its owner."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    os.close(theirs)
    try:
        yield ours
    finally:
        os.close(ours)


async def _read(reader: Reader, stream: int, output: Output) -> None:
    async for data in reader.chunks():
        output(stream, data)


async def _finish(work: asyncio.Future[Any]) -> None:
    """Wait for ``work``, however often we are cancelled meanwhile."""
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    if not work.cancelled():
        work.exception()


async def _kill(child: Child, program: Program, trees: cgroup.Hierarchies, id: str, group: str) -> None:
    """The runtime first: then it makes no more processes that the others could hide behind."""
    child.send_signal(signal.SIGKILL)
    await child.wait()
    await remains(program, trees, id, group)


async def remains(program: Program, trees: cgroup.Hierarchies, id: str, group: str) -> None:
    """Kill what is in ``group``, and remove it and what the runtime keeps of the container ``id``."""
    await asyncio.to_thread(cgroup.signal_all, trees, group, signal.SIGKILL)
    with contextlib.suppress(PierError):
        await program.delete(id, force=True)
    await asyncio.to_thread(remove_tree, program.root / id)
    for _ in range(250):
        with contextlib.suppress(OSError):
            await asyncio.to_thread(cgroup.remove, trees, group)
            return
        await asyncio.to_thread(cgroup.signal_all, trees, group, signal.SIGKILL)
        await asyncio.sleep(_WATCH_SECONDS)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


async def when_created(bundle: Path, then: Callable[[], None]) -> None:
    """Call ``then`` once the container is there, if that is soon. Cancel it at the container's end."""
    for _ in range(250):
        if (bundle / PID_FILE).exists():
            then()
            return
        await asyncio.sleep(_WATCH_SECONDS)
