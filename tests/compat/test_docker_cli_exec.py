"""``docker exec``: a second process in a running container."""

import json
from collections.abc import Iterator

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually, read_until


@pytest.fixture
def running(cli: Docker, name: str) -> Iterator[str]:
    cli("run", "-d", "--name", name, "-e", "GIVEN=1", "-w", "/tmp", IMAGE, "sleep", "1000")
    yield name


def test_output_and_exit_code(cli: Docker, running: str) -> None:
    result = cli("exec", running, "sh", "-c", "echo out; echo err >&2; exit 17", code=17)
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")


def test_it_shares_the_containers_world(cli: Docker, running: str) -> None:
    assert cli("exec", running, "sh", "-c", "echo $GIVEN; pwd").out == "1\n/tmp"
    assert "sleep 1000" in cli("exec", running, "ps").out
    for kind in ("mnt", "pid", "net", "uts", "ipc", "cgroup"):
        link = ("readlink", f"/proc/1/ns/{kind}")
        assert cli("exec", running, *link).out == cli("exec", running, "readlink", f"/proc/self/ns/{kind}").out


def test_flags(cli: Docker, running: str) -> None:
    assert cli("exec", "-e", "A=b", "-e", "GIVEN=2", running, "sh", "-c", "echo $A $GIVEN").out == "b 2"
    assert cli("exec", "-w", "/data", running, "pwd").out == "/data"
    assert cli("exec", "-u", "web", running, "id", "-u").out == "1000"
    assert cli("exec", "-u", "3:4", running, "sh", "-c", "id -u; id -g").lines == ["3", "4"]


def test_stdin_with_half_close(cli: Docker, running: str) -> None:
    assert cli("exec", "-i", running, "cat", stdin=b"fed").stdout == b"fed"
    assert cli("exec", "-i", running, "wc", "-c", stdin=b"x" * 1_000_000).out == "1000000"
    assert cli("exec", running, "sh", "-c", "cat; echo end", stdin=b"unseen").out == "end"


def test_a_terminal(cli: Docker, running: str) -> None:
    with cli.terminal("exec", "-it", running, "sh", rows=30, columns=99) as screen:
        screen.expect(r"/tmp # ")
        screen.type("stty size\n")
        screen.expect("\n30 99\r\n")
        screen.resize(20, 50)
        screen.type("until stty size | grep 20; do :; done\n")
        screen.expect("\n20 50\r\n")
        screen.type("exit 3\n")
        assert screen.ended() == 3


def test_detached(cli: Docker, running: str) -> None:
    assert cli("exec", "-d", running, "sh", "-c", "echo made >/tmp/made; sleep 500").out == ""
    eventually(lambda: "made" in cli("exec", running, "ls", "/tmp").out)
    assert "sleep 500" in cli("top", running).out


def test_detach_keys(cli: Docker, running: str) -> None:
    with cli.terminal("exec", "-it", running, "sh", "-c", "echo up; exec sleep 777") as screen:
        screen.expect("up")
        screen.type("\x10\x11")
        screen.ended()
    assert "sleep 777" in cli("top", running).out


def test_missing_and_forbidden_commands(cli: Docker, running: str) -> None:
    missing = cli("exec", running, "no-such-command", code={126, 127})
    assert 'exec: "no-such-command": executable file not found in $PATH' in (missing.out + missing.err)
    forbidden = cli("exec", running, "/etc/passwd", code=126)
    assert "permission denied" in (forbidden.out + forbidden.err).lower()


def test_into_one_that_does_not_run(cli: Docker, name: str) -> None:
    full = cli("create", "--name", name, IMAGE, "true").out
    assert f"container {full} is not running" in cli.fails("exec", name, "true")


def test_unknown_user_and_folder(cli: Docker, running: str) -> None:
    unknown = cli("exec", "-u", "nobodyhere", running, "true", code={1, 126})
    assert "unable to find user nobodyhere" in unknown.out + unknown.err
    cli("exec", "-w", "/not/there", running, "true", code={126, 127})


def test_privileged(cli: Docker, running: str) -> None:
    plain = cli("exec", running, "grep", "CapEff", "/proc/self/status").out.split()[1]
    more = cli("exec", "--privileged", running, "grep", "CapEff", "/proc/self/status").out.split()[1]
    assert plain == "00000000a80425fb"
    assert int(more, 16) > int(plain, 16)


def test_it_ends_with_the_container(cli: Docker, running: str) -> None:
    process = cli.spawn("exec", running, "sh", "-c", "echo up; sleep 1000")
    assert process.stdout
    read_until(process.stdout, b"up")
    cli("kill", running)
    process.communicate(timeout=60)
    assert process.returncode == 137


def test_output_is_complete(cli: Docker, running: str) -> None:
    result = cli("exec", running, "seq", "1000000")
    assert result.stdout.count(b"\n") == 1_000_000
    assert result.stdout.endswith(b"999999\n1000000\n")


def test_inspect_lists_running_ones(cli: Docker, running: str) -> None:
    assert json.loads(cli("inspect", "-f", "{{json .ExecIDs}}", running).out) is None
    cli("exec", "-d", running, "sleep", "500")
    assert len(json.loads(cli("inspect", "-f", "{{json .ExecIDs}}", running).out)) == 1
