"""Starting children and hearing of their end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from pier.linux.process import ending, pidfd_open_same, pidfd_wait, run, run_sync, running, spawn, start_time
from pier.linux.sealed import sealed_copy


def children() -> set[str]:
    """Our children, zombies among them."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


async def test_run_gives_both_streams_and_the_code() -> None:
    finished = await run(["sh", "-c", "cat; echo error >&2; exit 4"], stdin=b"input\n")
    assert (finished.returncode, finished.stdout, finished.stderr) == (4, b"input\n", b"error\n")


async def test_run_takes_environment_and_folder(tmp_path: Path) -> None:
    finished = await run(["/bin/sh", "-c", "pwd; echo $NAME"], env={"NAME": "value"}, cwd=tmp_path)
    assert finished.stdout.decode().splitlines() == [str(tmp_path), "value"]


async def test_run_of_nothing_raises() -> None:
    with pytest.raises(FileNotFoundError):
        await run(["/no/such/program"])


async def test_run_does_not_wait_for_daemons_that_hold_its_output() -> None:
    finished = await run(["sh", "-c", "sleep 100 >&1 & echo $!"], timeout=20)
    os.kill(int(finished.stdout), signal.SIGKILL)


async def test_timeout_kills_and_reaps() -> None:
    before = children()
    with pytest.raises(TimeoutError):
        await run(["sleep", "100"], timeout=0.05)
    assert children() == before


async def test_cancellation_kills_and_reaps() -> None:
    before = children()
    task = asyncio.create_task(run(["sleep", "100"]))
    await asyncio.sleep(0)
    assert len(children() - before) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == before


def test_run_sync() -> None:
    finished = run_sync(["sh", "-c", "cat >&2; exit 3"], stdin=b"x")
    assert (finished.returncode, finished.stderr) == (3, b"x")
    with pytest.raises(TimeoutError):
        run_sync(["sleep", "100"], timeout=0.05)


async def test_everyone_who_waits_is_told() -> None:
    child = await spawn(["sleep", "100"])
    waits = [asyncio.create_task(child.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    child.send_signal(signal.SIGTERM)
    assert await asyncio.gather(*waits) == [-signal.SIGTERM] * 3
    child.send_signal(signal.SIGTERM)
    assert await child.wait() == -signal.SIGTERM


async def test_only_named_descriptors_are_passed() -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    script = "import os; print(*(fd for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')))"
    finished = await run([sys.executable, "-SI", "-c", script], pass_fds=(read,))
    os.close(read)
    os.close(write)
    assert sorted(map(int, finished.stdout.split())) == [0, 1, 2, read]


async def test_a_process_is_known_by_its_start() -> None:
    child = await spawn(["sleep", "100"])
    start = start_time(child.pid)
    assert start is not None
    assert running(child.pid, start)
    assert not running(child.pid, start + 1)
    assert pidfd_open_same(child.pid, start + 1) is None
    descriptor = pidfd_open_same(child.pid, start)
    assert descriptor is not None
    child.send_signal(signal.SIGKILL)
    await pidfd_wait(descriptor)
    assert not running(child.pid, start)  # a zombie has ended
    os.close(descriptor)
    await child.wait()
    assert start_time(child.pid) is None


def test_a_sealed_copy_runs_and_cannot_be_changed() -> None:
    descriptor = sealed_copy(Path("/bin/true"))
    assert run_sync([f"/proc/{os.getpid()}/fd/{descriptor}"]).returncode == 0
    with pytest.raises(OSError, match="not permitted"):
        os.write(descriptor, b"x")
    os.close(descriptor)


async def test_what_was_killed_is_ending() -> None:
    child = await spawn(["sleep", "100"])
    assert not ending(child.pid)
    child.send_signal(signal.SIGKILL)
    assert ending(child.pid)
    await child.wait()
    assert ending(child.pid)
