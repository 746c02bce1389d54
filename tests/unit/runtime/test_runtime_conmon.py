"""The supervisor's command line, and its start with programs that stand for it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pier.errors import Internal
from pier.runtime.conmon import Launch, LaunchError, argv, launch
from pier.runtime.runtime import Stdio, Supervised


def wanted(folder: Path, **changes: Any) -> Launch:
    fields: dict[str, Any] = {
        "conmon": Path("/usr/bin/conmon"), "runtime": "/proc/1/fd/3", "options": ["--root", "/run/crun"], "id": "c1",
        "directory": folder, "stdio": Stdio(), "tmp": folder, **changes,
    }  # fmt: skip
    return Launch(**fields)


def test_create() -> None:
    words = argv(wanted(Path("/b")))
    line = " ".join(words)
    assert line.startswith("/usr/bin/conmon --api-version 1 --sync ")
    assert "--cid c1 --cuuid c1 --runtime /proc/1/fd/3 --runtime-arg --root --runtime-arg /run/crun" in line
    assert "--bundle /b --persist-dir /b" in line
    assert line.endswith("--log-path off")
    assert not {"--exec", "--stdin", "--terminal", "--leave-stdin-open"} & set(words)


@pytest.mark.parametrize(
    ("stdio", "present", "absent"),
    [
        (Stdio(stdin=True), ["--stdin"], ["--leave-stdin-open"]),
        (Stdio(stdin=True, stdin_once=False), ["--stdin", "--leave-stdin-open"], []),
        (Stdio(stdin=True, terminal=True), ["--terminal", "--leave-stdin-open"], []),
        (Stdio(log_path="/l", log_max=5), ["k8s-file:/l", "--log-size-max", "5"], []),
        (Stdio(log_max=5), ["off"], ["--log-size-max"]),
    ],
)
def test_stdio(stdio: Stdio, present: list[str], absent: list[str]) -> None:
    words = argv(wanted(Path("/b"), stdio=stdio))
    assert set(present) <= set(words)
    assert not set(absent) & set(words)


def test_exec() -> None:
    words = argv(wanted(Path("/e"), exec_id="e1", exec_spec=Path("/e/p.json"), attach=True))
    assert " ".join(words).count("--cid c1 --cuuid e1") == 1
    assert {"--exec", "--exec-attach", "/e/p.json"} <= set(words)


def stand_in(folder: Path, script: str) -> Path:
    program = folder / "conmon"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


async def test_launched(tmp_path: Path) -> None:
    program = stand_in(
        tmp_path,
        'echo "{\\"data\\": 77}" >/proc/self/fd/$_OCI_SYNCPIPE; echo "{\\"data\\": 0}" >/proc/self/fd/$_OCI_SYNCPIPE',
    )
    launched = await launch(wanted(tmp_path, conmon=program))
    assert launched.pid == 77


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ('echo "{\\"data\\": -1, \\"message\\": \\"it\\tsaid\\"}" >/proc/self/fd/$_OCI_SYNCPIPE', "it\tsaid"),
        ("echo no such option >&2; exit 1", "no such option"),
        ("exit 1", "without a word"),
    ],
)
async def test_refusals(tmp_path: Path, script: str, text: str) -> None:
    with pytest.raises(LaunchError, match=text):
        await launch(wanted(tmp_path, conmon=stand_in(tmp_path, script)))


async def test_nonsense(tmp_path: Path) -> None:
    with pytest.raises(Internal, match="nonsense"):
        await launch(wanted(tmp_path, conmon=stand_in(tmp_path, "echo hello >/proc/self/fd/$_OCI_SYNCPIPE")))


async def test_placed_before_it_begins(tmp_path: Path) -> None:
    script = "head -c 1 </proc/self/fd/$_OCI_STARTPIPE >/dev/null; test -e placed && "
    program = stand_in(tmp_path, script + 'echo "{\\"data\\": 5}" >/proc/self/fd/$_OCI_SYNCPIPE')

    async def place(pid: int) -> None:
        await asyncio.to_thread((tmp_path / "placed").touch)

    assert (await launch(wanted(tmp_path, conmon=program), place=place)).pid == 5


async def test_cancelled(tmp_path: Path) -> None:
    task = asyncio.create_task(launch(wanted(tmp_path, conmon=stand_in(tmp_path, "exec sleep 100"))))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_records_survive_as_json() -> None:
    record = Supervised("c", "crun", "/run/x", 1, 2, 3, 4, "/pier/c", Stdio(log_path="/l"), "e")
    assert msgspec.json.decode(msgspec.json.encode(record), type=Supervised) == record
    assert record.attach_socket == Path("/run/x/attach")
