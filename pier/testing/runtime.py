"""The tests that every runtime passes: crun, runc, and the fake of :mod:`pier.testing.fake_runtime`."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Protocol

from pier.errors import Conflict, InvalidArgument
from pier.runtime.runtime import STDERR, STDOUT, AttachStream, Runtime, Stdio


class Bundles(Protocol):
    """How the suite gets a container: a bundle that runs ``args``, under a fresh id."""

    def __call__(self, *args: str, terminal: bool = False) -> tuple[str, Path]: ...


async def output_of(stream: AttachStream) -> dict[int, bytes]:
    """All that comes from ``stream``, by stream number."""
    collected = {STDOUT: b"", STDERR: b""}
    while piece := await stream.read():
        collected[piece[0]] += piece[1]
    return collected


class RuntimeSuite:
    """What every runtime does. Subclasses have the fixtures ``runtime`` and ``bundles``; the suite's containers
    are removed by the tests themselves."""

    async def test_exit_code(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("sh", "-c", "exit 7")
        container = await runtime.create(id, bundle, Stdio())
        assert runtime.alive(container)
        await runtime.start(container)
        assert (await runtime.wait(container)).code == 7
        assert not runtime.alive(container)
        assert (await runtime.wait(container)).code == 7
        await runtime.delete(id)
        await runtime.delete(id)
        assert id not in runtime.known()

    async def test_output_of_a_short_life_is_complete(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("echo", "hello", "there")
        container = await runtime.create(id, bundle, Stdio())
        stream = await runtime.attach(container)
        await runtime.start(container)
        assert (await output_of(stream))[STDOUT] == b"hello there\n"
        stream.close()
        assert (await runtime.wait(container)).code == 0
        await runtime.delete(id)

    async def test_input_ends_when_the_client_says_so(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("cat")
        container = await runtime.create(id, bundle, Stdio(stdin=True))
        stream = await runtime.attach(container)
        await runtime.start(container)
        await stream.write(b"one\n")
        await stream.write(b"two\n")
        stream.close_stdin()
        assert (await output_of(stream))[STDOUT] == b"one\ntwo\n"
        stream.close()
        assert (await runtime.wait(container)).code == 0
        await runtime.delete(id)

    async def test_input_outlives_clients_when_it_shall(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("cat")
        container = await runtime.create(id, bundle, Stdio(stdin=True, stdin_once=False))
        await runtime.start(container)
        for word in (b"first\n", b"second\n"):
            stream = await runtime.attach(container)
            await stream.write(word)
            assert await stream.read() == (STDOUT, word)
            stream.close()
        assert runtime.alive(container)
        await runtime.signal(container, signal.SIGKILL)
        assert (await runtime.wait(container)).code == 137
        await runtime.delete(id)

    async def test_a_watching_client_ends_no_input(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("cat")
        container = await runtime.create(id, bundle, Stdio(stdin=True))
        giver = await runtime.attach(container)
        watcher = await runtime.attach(container, stdin=False)
        await runtime.start(container)
        await giver.write(b"one\n")
        assert await watcher.read() == (STDOUT, b"one\n")
        watcher.close()
        await giver.write(b"two\n")
        giver.close_stdin()
        assert (await output_of(giver))[STDOUT] == b"one\ntwo\n"
        giver.close()
        await runtime.wait(container)
        await runtime.delete(id)

    async def test_signals_end_and_then_conflict(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("sleep", "1000")
        container = await runtime.create(id, bundle, Stdio())
        await runtime.start(container)
        await runtime.signal(container, signal.SIGKILL)
        assert (await runtime.wait(container)).code == 137
        for call in (runtime.signal(container, signal.SIGTERM), runtime.attach(container)):
            try:
                await call
            except Conflict as error:
                assert "is not running" in str(error)
            else:
                raise AssertionError("an ended container took a call")
        await runtime.delete(id)

    async def test_start_happens_once(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("sleep", "1000")
        container = await runtime.create(id, bundle, Stdio())
        await runtime.start(container)
        try:
            await runtime.start(container)
        except Conflict:
            pass
        else:
            raise AssertionError("it started twice")
        await runtime.delete(id, force=True)
        assert (await runtime.wait(container)).code == 137

    async def test_a_missing_program_is_named(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("no-such-program")
        try:
            await runtime.create(id, bundle, Stdio())
        except InvalidArgument as error:
            assert 'exec: "no-such-program": executable file not found in $PATH' in str(error)
        else:
            raise AssertionError("it was created")
        assert id not in runtime.known()

    async def test_exec(self, runtime: Runtime, bundles: Bundles, tmp_path: Path) -> None:
        id, bundle = bundles("sleep", "1000")
        container = await runtime.create(id, bundle, Stdio())
        await runtime.start(container)
        process = {**json.loads((bundle / "config.json").read_text())["process"], "args": ["echo", "hi"]}
        child, stream = await runtime.exec(container, "e1", process, Stdio(), tmp_path / "e1")
        assert stream is not None
        assert (await output_of(stream))[STDOUT] == b"hi\n"
        stream.close()
        assert (await runtime.wait(child)).code == 0
        process["args"] = ["sh", "-c", "exit 3"]
        child, stream = await runtime.exec(container, "e2", process, Stdio(), tmp_path / "e2", attach=False)
        assert stream is None
        assert (await runtime.wait(child)).code == 3
        process["args"] = ["no-such-program"]
        try:
            await runtime.exec(container, "e3", process, Stdio(), tmp_path / "e3")
        except InvalidArgument as error:
            assert "OCI runtime exec failed" in str(error)
        else:
            raise AssertionError("it ran")
        assert runtime.alive(container)
        await runtime.delete(id, force=True)

    async def test_in_the_foreground(self, runtime: Runtime, bundles: Bundles) -> None:
        said: list[tuple[int, bytes]] = []
        id, bundle = bundles("echo", "hello", "there")
        result = await runtime.run_foreground(id, bundle, lambda *piece: said.append(piece))
        assert (result.code, said) == (0, [(STDOUT, b"hello there\n")])
        id, bundle = bundles("sh", "-c", "exit 7")
        assert (await runtime.run_foreground(id, bundle, lambda *_: None)).code == 7
        id, bundle = bundles("no-such-program")
        try:
            await runtime.run_foreground(id, bundle, lambda *_: None)
        except InvalidArgument as error:
            assert 'exec: "no-such-program": executable file not found in $PATH' in str(error)
        else:
            raise AssertionError("it ran")
        assert id not in runtime.known()

    async def test_in_the_foreground_until_it_is_cancelled(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("sleep", "1000")
        running = asyncio.create_task(runtime.run_foreground(id, bundle, lambda *_: None))
        while id not in runtime.known():
            await asyncio.wait({running}, timeout=0.002)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        assert id not in runtime.known()

    async def test_pause_and_resume(self, runtime: Runtime, bundles: Bundles) -> None:
        id, bundle = bundles("sleep", "1000")
        container = await runtime.create(id, bundle, Stdio())
        await runtime.start(container)
        await runtime.pause(container)
        await runtime.resume(container)
        await runtime.delete(id, force=True)
