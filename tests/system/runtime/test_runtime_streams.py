"""Terminals, streams and logs of real containers."""

import asyncio
import hashlib
from pathlib import Path

from pier.logs import rotate
from pier.logs.cri import CriLog
from pier.logs.driver import LogQuery
from pier.runtime.local import LocalRuntime
from pier.runtime.runtime import STDERR, STDOUT, AttachStream, Stdio
from pier.testing.runtime import output_of
from tests.system.runtime.conftest import BundleMaker


async def until(stream: AttachStream, wanted: bytes) -> bytes:
    """Read standard output up to ``wanted``."""
    seen = b""
    while wanted not in seen:
        piece = await stream.read()
        assert piece is not None, f"it ended after {seen!r}"
        seen += piece[1]
    return seen


async def test_terminal_and_resize(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", terminal=True, console_size=(33, 77))
    container = await runtime.create(id, bundle, Stdio(terminal=True, stdin=True))
    stream = await runtime.attach(container)
    await runtime.start(container)
    await stream.write(b"stty size; tty\n")
    await until(stream, b"33 77\r\n/dev/pts/0\r\n")
    await runtime.resize(container, 120, 40)
    await stream.write(b"while [ \"$(stty size)\" != '40 120' ]; do :; done; echo resi''zed\n")
    await until(stream, b"resized\r\n")
    await stream.write(b"exit 5\n")
    await output_of(stream)
    stream.close()
    assert (await runtime.wait(container)).code == 5
    await runtime.delete(id)


async def test_a_left_terminal_can_be_returned_to(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", terminal=True)
    container = await runtime.create(id, bundle, Stdio(terminal=True, stdin=True))
    stream = await runtime.attach(container)
    await runtime.start(container)
    await stream.write(b"echo fir''st\n")
    await until(stream, b"first")
    stream.close()
    stream = await runtime.attach(container)
    await stream.write(b"echo sec''ond; exit\n")
    await until(stream, b"second")
    await output_of(stream)
    stream.close()
    await runtime.wait(container)
    await runtime.delete(id)


async def test_a_slow_reader_gets_every_byte(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    size = 30_000_000
    script = f"yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {size}; echo error >&2"
    id, bundle = bundles("sh", "-c", script)
    log = bundle / "container.log"
    limits = rotate.Limits(size=4_000_000, files=20)
    container = await runtime.create(id, bundle, Stdio(log_path=str(log), log_max=limits.cap))
    rotation = asyncio.create_task(rotate.rotate(log, limits, lambda: runtime.reopen_log(container)))
    stream = await runtime.attach(container)
    await runtime.start(container)
    ended = asyncio.Event()
    follower = asyncio.create_task(digest(log, LogQuery(stderr=False, follow=True), ended))
    attached, errors, pieces = hashlib.sha256(), b"", 0
    while piece := await stream.read():
        if piece[0] == STDERR:
            errors += piece[1]
        else:
            attached.update(piece[1])
        pieces += 1
        if pieces % 20 == 0:
            await asyncio.sleep(0.01)  # it waits for us
    stream.close()
    assert (await runtime.wait(container)).code == 0
    ended.set()
    line = b"0123456789abcdefghijklmnopqrstuvwxyz\n"
    expected = hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()
    assert attached.hexdigest() == expected
    assert errors == b"error\n"
    assert await follower == expected
    assert await digest(log, LogQuery(stderr=False), None) == expected
    rotation.cancel()
    assert len(list(log.parent.glob("container.log.[0-9]*"))) >= 3
    await runtime.delete(id)


async def digest(log: Path, query: LogQuery, ended: asyncio.Event | None) -> str:
    """The hash of all that the log holds."""
    sha = hashlib.sha256()
    async for batch in CriLog(log).batches(query, ended):
        sha.update(b"".join(entry.data for entry in batch))
    return sha.hexdigest()


async def test_much_input_arrives_whole(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sha256sum")
    container = await runtime.create(id, bundle, Stdio(stdin=True))
    stream = await runtime.attach(container)
    await runtime.start(container)
    data = bytes(range(256)) * 20_000
    await stream.write(data)
    stream.close_stdin()
    assert (await output_of(stream))[STDOUT].split()[0].decode() == hashlib.sha256(data).hexdigest()
    stream.close()
    await runtime.wait(container)
    await runtime.delete(id)


async def test_log_without_clients(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "echo one; echo two >&2; printf three")
    log = bundle / "container.log"
    container = await runtime.create(id, bundle, Stdio(log_path=str(log)))
    await runtime.start(container)
    await runtime.wait(container)
    entries = [entry async for entry in CriLog(log).read(LogQuery())]
    assert sorted((entry.stream, entry.data, entry.partial) for entry in entries) == [
        (STDOUT, b"one\n", False),
        (STDOUT, b"three", True),
        (STDERR, b"two\n", False),
    ]
    await runtime.delete(id)


async def test_a_log_does_not_fill_the_disk_while_no_daemon_looks(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    limits, cap = rotate.Limits(size=500_000, files=2), 1_000_000
    id, bundle = bundles("sh", "-c", "yes 0123456789 | head -n 500000; echo last")
    log = bundle / "container.log"
    container = await runtime.create(id, bundle, Stdio(log_path=str(log), log_max=cap))
    rotate.adopt(log, limits)
    await runtime.start(container)
    assert (await runtime.wait(container)).code == 0
    rotate.adopt(log, limits)
    files = {path.stat().st_ino: path.stat().st_size for path in log.parent.glob("container.log*")}
    assert 500_000 < sum(files.values()) <= 2 * cap
    assert [entry.data async for entry in CriLog(log).read(LogQuery(tail=2))] == [b"0123456789\n", b"last\n"]
    await runtime.delete(id)


async def test_a_closed_input_costs_no_processor(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "exec <&-; echo closed; sleep 1000")
    container = await runtime.create(id, bundle, Stdio(stdin=True))
    stream = await runtime.attach(container)
    await runtime.start(container)
    await until(stream, b"closed\n")
    await stream.write(b"to nobody\n")
    before = ticks(container.conmon_pid)
    await asyncio.sleep(0.2)
    assert ticks(container.conmon_pid) - before < 5
    stream.close()
    await runtime.delete(id, force=True)
    assert (await runtime.wait(container)).code == 137


def ticks(pid: int) -> int:
    """Processor time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])
