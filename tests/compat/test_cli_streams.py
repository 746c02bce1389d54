"""``pier`` between pipes, signals and terminals."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE, Engine
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier

BIG = 100_000_000


@pytest.fixture
def pier(engine: Engine, cli: Docker, tmp_path: Path) -> Pier:
    return Pier(engine.host, tmp_path, cli.label)


def test_input_is_piped_through_with_half_close(pier: Pier) -> None:
    payload = os.urandom(5_000_000)
    assert pier("run", "--rm", "-i", IMAGE, "cat", stdin=payload).stdout == payload


def test_output_is_complete(pier: Pier) -> None:
    assert len(pier("run", "--rm", IMAGE, "head", "-c", str(BIG), "/dev/zero").stdout) == BIG


def test_a_container_that_does_not_read_its_input(pier: Pier) -> None:
    assert pier("run", "--rm", "-i", IMAGE, "true", stdin=os.urandom(5_000_000)).err == ""


def test_a_reader_that_goes_away(pier: Pier) -> None:
    command = " ".join(pier.argv("run", "--rm", IMAGE, "seq", "1000000"))
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -2; echo ${{PIPESTATUS[0]}}"], capture_output=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (b"1\n2\n141\n", b"")


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(redirection: str, pier: Pier) -> None:
    command = " ".join(pier.argv("run", "--rm", "-i", IMAGE, "cat"))
    done = subprocess.run(
        ["bash", "-c", f"{command} {redirection}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_container(number: signal.Signals, pier: Pier) -> None:
    script = f"trap 'echo got; exit 9' {number.name[3:]}; echo ready; while :; do sleep 0.1; done"
    with pier.spawn("run", "--rm", IMAGE, "sh", "-c", script, stdin=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(number)
        assert running.stdout.read() == b"got\n"
        assert running.wait(60) == 9


def test_a_terminal(pier: Pier) -> None:
    with pier.terminal("run", "--rm", "-it", IMAGE, "sh", rows=30, columns=100) as terminal:
        terminal.expect("# ")
        terminal.type("stty size\r")
        terminal.expect("30 100")
        terminal.resize(40, 120)
        terminal.type("until stty size | grep 40; do :; done\r")
        terminal.expect(r"\n40 120\r\n")
        terminal.type("sh -c \"echo rea''dy; exec sleep 100\"\r")
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("# ")
        terminal.type("exit 7\r")
        assert terminal.ended() == 7


def test_detach_attach_and_start(pier: Pier, name: str) -> None:
    with pier.terminal("run", "-it", "--name", name, IMAGE, "sh") as terminal:
        terminal.expect("# ")
        terminal.type("\x10\x11")
        assert terminal.ended() == 0
    assert pier("inspect", "-f", "{{.State.Running}}", name).out == "true"
    with pier.terminal("attach", name) as terminal:
        terminal.type("echo hel''lo\r")
        terminal.expect("hello")
        terminal.type("exit 3\r")
        assert terminal.ended() == 3
    with pier.terminal("start", "-ai", name) as terminal:
        terminal.type("echo hel''lo\r")
        terminal.expect("hello")
        terminal.type("exit 4\r")
        assert terminal.ended() == 4


def test_exec_in_a_terminal(pier: Pier, name: str) -> None:
    pier("run", "-d", "--name", name, IMAGE, "sleep", "3600")
    with pier.terminal("exec", "-it", "--detach-keys", "ctrl-a,x", name, "sh", rows=31, columns=99) as terminal:
        terminal.expect("# ")
        terminal.type("stty size\r")
        terminal.expect("31 99")
        terminal.type("\x01x")
        assert terminal.ended() == 0
    with pier.terminal("exec", "-it", name, "sh", "-c", "exit 5") as terminal:
        assert terminal.ended() == 5


def test_following_logs(pier: Pier, name: str) -> None:
    pier("run", "-d", "--name", name, IMAGE, "sh", "-c", "echo one; read x </dev/null; echo two; sleep 0.3; echo three")
    assert pier("logs", "-f", name).lines == ["one", "two", "three"]
