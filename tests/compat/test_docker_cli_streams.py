"""Standard streams and terminals: every byte, in order, whatever ends first."""

import hashlib
import signal
import threading

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually, read_until

MEGABYTE = 1024 * 1024


def test_piped_stdin_with_half_close(cli: Docker) -> None:
    assert cli("run", "--rm", "-i", IMAGE, "cat", stdin=b"hi\n").stdout == b"hi\n"
    assert cli("run", "--rm", "-i", IMAGE, "wc", "-c", stdin=b"x" * 300_000).out == "300000"
    assert cli("run", "--rm", "-i", IMAGE, "sh", "-c", "cat; echo after", stdin=b"").out == "after"


def test_stdin_is_closed_without_i(cli: Docker) -> None:
    assert cli("run", "--rm", IMAGE, "sh", "-c", "cat; echo end", stdin=b"unseen").out == "end"


def test_ten_megabytes_there_and_back(cli: Docker) -> None:
    data = bytes(range(256)) * (10 * MEGABYTE // 256)
    assert (
        hashlib.sha256(cli("run", "--rm", "-i", IMAGE, "cat", stdin=data).stdout).digest()
        == hashlib.sha256(data).digest()
    )


def test_a_hundred_megabytes_of_output_are_complete(cli: Docker) -> None:
    """Numbers, so that a lost, doubled or swapped piece changes the sum."""
    lines = 12_000_000
    process = cli.spawn("run", "--rm", IMAGE, "seq", str(lines))
    assert process.stdout and process.stdin
    process.stdin.close()
    seen, size = hashlib.sha256(), 0
    while chunk := process.stdout.read(MEGABYTE):
        seen.update(chunk)
        size += len(chunk)
    assert process.wait(60) == 0
    expected = hashlib.sha256()
    for start in range(1, lines + 1, 100_000):
        expected.update("".join(f"{number}\n" for number in range(start, start + 100_000)).encode())
    assert size > 90 * MEGABYTE
    assert seen.hexdigest() == expected.hexdigest()
    for pipe in (process.stdout, process.stderr):
        assert pipe
        pipe.close()


def test_the_last_bytes_of_one_that_exits_at_once(cli: Docker) -> None:
    for _ in range(5):
        result = cli("run", "--rm", IMAGE, "sh", "-c", "echo a; echo b >&2; printf c; exit 3", code=3)
        assert (result.stdout, result.stderr) == (b"a\nc", b"b\n")


def test_a_reader_that_went_away_does_not_stop_the_container(cli: Docker, name: str) -> None:
    process = cli.spawn(
        "run", "--name", name, IMAGE, "sh", "-c", "i=0; while [ $i -lt 50000 ]; do echo $i; i=$((i+1)); done"
    )
    assert process.stdout
    read_until(process.stdout, b"10\n")
    process.kill()
    process.communicate()
    assert cli("wait", name).out == "0"
    assert cli("logs", "--tail", "1", name).out == "49999"


def test_a_terminal_is_one(cli: Docker) -> None:
    with cli.terminal("run", "--rm", "-it", IMAGE, "sh", rows=33, columns=101) as screen:
        screen.expect(r"/ # ")
        screen.type("stty size; tty\n")
        screen.expect(r"33 101\r\n/dev/pts/\d")
        screen.resize(44, 120)
        screen.type("until stty size | grep 44; do :; done\n")
        screen.expect(r"\n44 120\r\n")
        screen.type("exit 9\n")
        assert screen.ended() == 9


def test_control_c_reaches_the_foreground_process(cli: Docker) -> None:
    with cli.terminal("run", "--rm", "-it", IMAGE, "sh") as screen:
        screen.expect("/ # ")
        screen.type("sh -c \"echo rea''dy; exec sleep 1000\"\n")  # whoever says ready is in the foreground
        screen.expect("ready")
        screen.type("\x03")
        screen.expect("/ # ")
        screen.type("exit\n")
        assert screen.ended() == 130


def test_detach_keys_leave_it_running_and_attach_comes_back(cli: Docker, name: str) -> None:
    with cli.terminal("run", "-it", "--name", name, IMAGE, "sh") as screen:
        screen.expect("/ # ")
        screen.type("X=kept\n")
        screen.expect("/ # ")
        screen.type("\x10\x11")
        assert screen.ended() == 0
    assert cli("inspect", "-f", "{{.State.Running}}", name).out == "true"
    with cli.terminal("attach", name) as screen:
        screen.type("\n")
        screen.expect("/ # ")
        screen.type("echo $X\n")
        screen.expect("\nkept\r\n")
        screen.type("exit 4\n")
        assert screen.ended() == 4


def test_other_detach_keys(cli: Docker, name: str) -> None:
    with cli.terminal("run", "-it", "--detach-keys", "ctrl-a,x", "--name", name, IMAGE, "cat") as screen:
        screen.type("one\n")
        screen.expect("one\r\none\r\n")
        screen.type("\x10\x11")
        screen.type("\x01x")
        assert screen.ended() == 0
    assert cli("inspect", "-f", "{{.State.Running}}", name).out == "true"


def test_output_of_a_terminal_is_one_raw_stream(cli: Docker) -> None:
    result = cli("run", "--rm", "-t", IMAGE, "sh", "-c", "echo out; echo err >&2")
    assert result.stdout == b"out\r\nerr\r\n"
    assert result.stderr == b""


def test_i_and_t_without_a_terminal(cli: Docker) -> None:
    assert "the input device is not a TTY" in cli.fails("run", "--rm", "-it", IMAGE, "true")


def test_signals_are_passed_on(cli: Docker, name: str) -> None:
    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    process = cli.spawn("run", "--rm", "--name", name, IMAGE, "sh", "-c", script)
    assert process.stdout
    read_until(process.stdout, b"ready")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out.strip() == b"caught"
    assert process.returncode == 5


def test_attach_without_stdin_sees_new_output(cli: Docker, name: str) -> None:
    cli("run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", "echo early; read line; echo got $line; exit 6")
    eventually(lambda: cli("logs", name).out == "early")
    process = cli.spawn("attach", name)
    assert process.stdin and process.stdout
    process.stdin.write(b"a word\n")
    process.stdin.flush()
    assert read_until(process.stdout, b"word\n") == b"got a word\n"
    process.communicate(timeout=60)
    assert process.returncode == 6


def test_two_who_attach_see_the_same(cli: Docker, name: str) -> None:
    cli("run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", "while read line; do echo $line; done")
    watchers = [cli.spawn("attach", "--no-stdin", name) for _ in range(2)]
    writer = cli.spawn("attach", name)
    assert writer.stdin and writer.stdout

    def said(text: bytes) -> None:
        assert writer.stdin
        writer.stdin.write(text + b"\n")
        writer.stdin.flush()

    stop = threading.Event()

    def keep_talking() -> None:
        while not stop.wait(0.05):
            said(b"tick")

    talk = threading.Thread(target=keep_talking)
    talk.start()
    try:
        for watcher in watchers:
            assert watcher.stdout
            read_until(watcher.stdout, b"tick\n")
    finally:
        stop.set()
        talk.join()
    cli("rm", "-f", name)
    for process in (*watchers, writer):
        process.communicate(timeout=60)


def test_attach_to_one_that_does_not_run(cli: Docker, name: str) -> None:
    cli("create", "--name", name, IMAGE, "true")
    assert "cannot attach to a stopped container, start it first" in cli.fails("attach", name).lower()


def test_start_attached_and_interactive(cli: Docker, name: str) -> None:
    cli("create", "-i", "--name", name, IMAGE, "sh", "-c", "cat; exit 8")
    assert cli("start", "-a", "-i", name, stdin=b"fed\n", code=8).out == "fed"


@pytest.mark.parametrize("flags", [("-a", "stdout"), ("-a", "stderr")])
def test_attaching_to_some_streams(cli: Docker, flags: tuple[str, ...]) -> None:
    result = cli("run", "--rm", *flags, IMAGE, "sh", "-c", "echo out; echo err >&2")
    wanted = (b"out\n", b"") if flags[1] == "stdout" else (b"", b"err\n")
    assert (result.stdout, result.stderr) == wanted
