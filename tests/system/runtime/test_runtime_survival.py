"""Containers outlive the daemon that made them, and the next one takes them over."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from pier.linux import cgroup
from pier.linux.process import running, start_time
from pier.logs.cri import CriLog
from pier.logs.driver import LogQuery
from pier.runtime import bundle as bundles_of
from pier.runtime.local import LocalRuntime
from pier.runtime.runtime import STDOUT, Stdio, Supervised
from pier.testing.runtime import output_of
from tests.system.runtime.conftest import BundleMaker

DAEMON = """
import asyncio, os, signal, sys
from pathlib import Path
import msgspec
from pier.runtime.runtime import Stdio
from pier.runtime.select import select_runtime

async def main():
    run, id, bundle = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    runtime = await select_runtime("crun", run=run)
    stdio = Stdio(stdin=True, stdin_once=False, log_path=str(bundle / "container.log"))
    container = await runtime.create(id, bundle, stdio)
    stream = await runtime.attach(container)
    await runtime.start(container)
    sys.stdout.buffer.write(msgspec.json.encode(container))
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def left_behind(run_root: Path, id: str, bundle: Path, *, before: str = "") -> Supervised:
    """A container that was started by a daemon which killed itself then; ``before`` is run in it first."""
    finished = subprocess.run([sys.executable, "-c", before + DAEMON, run_root, id, bundle], capture_output=True)
    assert finished.returncode == -signal.SIGKILL, finished.stderr.decode()
    return msgspec.json.decode(finished.stdout, type=Supervised)


async def test_taken_over(runtime: LocalRuntime, bundles: BundleMaker, run_root: Path, tmp_path: Path) -> None:
    id, bundle = bundles("sh", "-c", "while read line; do echo got $line; [ $line = end ] && exit 9; done")
    container = left_behind(run_root, id, bundle)
    assert runtime.alive(container)
    assert id in runtime.known()
    exits = asyncio.create_task(runtime.wait(container))
    stream = await runtime.attach(container)
    await stream.write(b"one\n")
    assert await stream.read() == (STDOUT, b"got one\n")
    process = {**bundles_of.read(bundle)["process"], "args": ["echo", "hi"]}
    child, output = await runtime.exec(container, "e", process, Stdio(), tmp_path / "e")
    assert output is not None
    assert (await output_of(output))[STDOUT] == b"hi\n"
    output.close()
    assert (await runtime.wait(child)).code == 0
    await stream.write(b"end\n")
    assert (await exits).code == 9
    stream.close()
    log = [entry.data async for entry in CriLog(bundle / "container.log").read(LogQuery())]
    assert log == [b"got one\n", b"got end\n"]
    await runtime.delete(id)


async def test_ended_meanwhile(runtime: LocalRuntime, bundles: BundleMaker, run_root: Path) -> None:
    id, bundle = bundles("sh", "-c", "read line; exit 11")
    container = left_behind(run_root, id, bundle)
    stream = await runtime.attach(container)
    await stream.write(b"\n")
    await output_of(stream)
    stream.close()
    result = await runtime.wait(container)
    assert result.code == 11
    assert result.finished_at > 0
    assert not runtime.alive(container)
    await runtime.delete(id)


async def test_supervisor_killed(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sleep", "1000")
    container = await runtime.create(id, bundle, Stdio())
    await runtime.start(container)
    os.kill(container.conmon_pid, signal.SIGKILL)
    assert (await runtime.wait(container)).code == 137
    assert not running(container.pid, container.pid_start)
    await runtime.delete(id, force=True)


async def test_gone_after_a_reboot(runtime: LocalRuntime, tmp_path: Path) -> None:
    ours = os.getpid()
    record = Supervised(
        id="gone",
        runtime="crun",
        directory=str(tmp_path / "gone"),
        pid=ours,
        pid_start=(start_time(ours) or 0) + 1,  # the pid is in use again
        conmon_pid=ours,
        conmon_start=(start_time(ours) or 0) + 1,
        cgroup="/pier-test-none/gone",
        stdio=Stdio(),
    )
    assert not runtime.alive(record)
    assert (await runtime.wait(record)).code == 255
    await runtime.delete("gone", force=True)


async def test_the_supervisor_holds_nothing_of_ours(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    id, bundle = bundles("sleep", "1000")
    container = await runtime.create(id, bundle, Stdio())
    await runtime.start(container)
    pipe = os.readlink(f"/proc/self/fd/{write}")
    for pid in (container.pid, container.conmon_pid):
        assert pipe not in [os.readlink(link.path) for link in os.scandir(f"/proc/{pid}/fd")]
    assert os.getsid(container.conmon_pid) == container.conmon_pid
    os.close(read)
    os.close(write)
    await runtime.delete(id, force=True)
    await runtime.wait(container)


def groups_of(pid: int) -> dict[str, str]:
    return cgroup.parse_membership(Path(f"/proc/{pid}/cgroup").read_text())


async def test_the_supervisor_leaves_the_daemons_service(
    runtime: LocalRuntime, bundles: BundleMaker, run_root: Path
) -> None:
    tree = "name=systemd" if "name=systemd" in runtime.trees.controllers else ""
    service = f"/pier-test-service-{os.getpid()}"
    enter = (
        f"import os; from pier.linux import cgroup; cgroup.move(cgroup.detect(), os.getpid(), {service!r}, {tree!r})\n"
    )
    id, bundle = bundles("sleep", "1000")
    container = left_behind(run_root, id, bundle, before=enter)
    assert groups_of(container.conmon_pid)[tree] == "/pier-supervisors"
    await runtime.delete(id, force=True)
    assert (await runtime.wait(container)).code == 137
    cgroup.remove(runtime.trees, service)
