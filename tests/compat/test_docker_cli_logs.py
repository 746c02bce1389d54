"""``docker logs``, ``ps``, ``top``, ``stats``, ``port``: looking at containers."""

import json
import re
from datetime import datetime

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually, read_until


def test_both_streams_come_back(cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "sh", "-c", "echo out; echo err >&2; printf 'no newline'")
    result = cli("logs", name)
    assert (result.stdout, result.stderr) == (b"out\nno newline", b"err\n")


def test_tail_since_until_and_timestamps(cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.01; done")
    assert cli("logs", "--tail", "2", name).lines == ["4", "5"]
    assert cli("logs", "-n", "0", name).lines == []
    stamped = cli("logs", "-t", name).lines
    stamps = [line.split(" ")[0] for line in stamped]
    assert [line.split(" ")[1] for line in stamped] == ["1", "2", "3", "4", "5"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamp) for stamp in stamps)
    assert stamps == sorted(stamps)
    assert cli("logs", "--since", stamps[3], name).lines == ["4", "5"]
    assert cli("logs", "--until", stamps[1], name).lines == ["1", "2"]
    assert cli("logs", "--since", "1h", name).lines == ["1", "2", "3", "4", "5"]
    assert cli("logs", "--until", "1h", name).lines == []


def test_follow_until_the_end(cli: Docker, name: str) -> None:
    cli("run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", "echo one; read x; echo two; read x; echo three")
    following = cli.spawn("logs", "-f", name)
    assert following.stdout
    read_until(following.stdout, b"one\n")
    writer = cli.spawn("attach", name)
    assert writer.stdin
    writer.stdin.write(b"\n")
    writer.stdin.flush()
    read_until(following.stdout, b"two\n")
    writer.communicate(b"\n", timeout=60)
    rest, _ = following.communicate(timeout=60)
    assert rest == b"three\n"
    assert following.returncode == 0


def test_follow_starts_where_tail_says(cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "seq", "100")
    assert cli("logs", "-f", "--tail", "3", name).lines == ["98", "99", "100"]


def test_very_long_lines(cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
    assert cli("logs", name).stdout == b"x" * 100_000 + b"\nend\n"


def test_logs_of_a_terminal(cli: Docker, name: str) -> None:
    cli("run", "-d", "-t", "--name", name, IMAGE, "echo", "hi")
    cli("wait", name)
    assert cli("logs", name).stdout == b"hi\r\n"


def test_a_log_driver_that_keeps_nothing(cli: Docker, name: str) -> None:
    cli("run", "--log-driver", "none", "--name", name, IMAGE, "echo", "hi")
    assert "configured logging driver does not support reading" in cli.fails("logs", name)


def test_details_and_attributes(cli: Docker, name: str) -> None:
    cli("create", "--name", name, IMAGE)
    log_config = json.loads(cli("inspect", "-f", "{{json .HostConfig.LogConfig}}", name).out)
    assert set(log_config) == {"Type", "Config"}


def test_ps_columns(cli: Docker, name: str) -> None:
    full = cli("run", "-d", "--name", name, "-p", "127.0.0.1::80", IMAGE, "sleep", "1000").out
    table = cli("ps", "--filter", f"name={name}").lines
    assert table[0].split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert re.fullmatch(
        rf'{full[:12]}\s+{IMAGE}\s+"sleep 1000"\s+.* ago\s+Up .*\s+127\.0\.0\.1:\d+->80/tcp\s+{name}', table[1]
    )
    shown = json.loads(cli("ps", "--no-trunc", "--filter", f"id={full}", "--format", "{{json .}}").out)
    assert (shown["ID"], shown["Image"], shown["State"], shown["Names"]) == (full, IMAGE, "running", name)


def test_ps_filters(cli: Docker, name: str) -> None:
    cli("run", "--name", name + "-zero", IMAGE, "true")
    cli("run", "--name", name + "-three", IMAGE, "sh", "-c", "exit 3", code=3)
    cli("run", "-d", "--name", name + "-up", "--label", "role=up", IMAGE, "sleep", "1000")

    def shown(*filters: str) -> list[str]:
        flags = [flag for one in (f"name={name}", *filters) for flag in ("--filter", one)]
        return sorted(line.rpartition("-")[2] for line in cli("ps", "-a", *flags, "--format", "{{.Names}}").lines)

    assert shown() == ["three", "up", "zero"]
    assert shown("exited=3") == ["three"]
    assert shown("status=exited") == ["three", "zero"]
    assert shown("status=running") == ["up"]
    assert shown("label=role=up") == ["up"]
    assert shown("ancestor=" + IMAGE, f"before={name}-up") == ["three", "zero"]
    assert shown(f"since={name}-three") == ["up"]
    assert cli("ps", "-q", "--filter", f"name={name}").lines == [cli("inspect", "-f", "{{.Id}}", name + "-up").out[:12]]
    assert "invalid filter 'nonsense'" in cli.fails("ps", "--filter", "nonsense=1")


def test_last_and_latest(cli: Docker, name: str) -> None:
    cli("create", "--name", name, IMAGE)
    assert cli("ps", "-l", "--format", "{{.Names}}").out == name
    assert cli("ps", "-n", "1", "--format", "{{.Names}}").out == name


def test_sizes(cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "sh", "-c", "head -c 1000000 /dev/zero >/big")
    assert re.match(
        r"1MB \(virtual [\d.]+MB\)", cli("ps", "-a", "-s", "--filter", f"name={name}", "--format", "{{.Size}}").out
    )
    assert cli("inspect", "-s", "-f", "{{.SizeRw}}", name).out == "1000000"


def test_top(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, "sleep", "1234")
    header, line = cli("top", name).lines
    assert header.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert line.endswith("sleep 1234")
    assert cli("top", name, "-o", "pid,comm").lines[0].split() == ["PID", "COMMAND"]
    cli("kill", name)
    assert "is not running" in cli.fails("top", name)


def test_stats(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-m", "100m", IMAGE, "sleep", "1000")
    shown = json.loads(cli("stats", "--no-stream", "--format", "{{json .}}", name).out)
    assert shown["Name"] == name
    assert shown["PIDs"].isdigit()
    assert re.fullmatch(r"[\d.]+[KM]?i?B / (100MiB|0B)", shown["MemUsage"])
    assert shown["CPUPerc"].endswith("%")
    assert shown["NetIO"] != "--"


def test_port(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-p", "127.0.0.1::80", "-p", "127.0.0.1::53/udp", IMAGE, "sleep", "1000")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", cli("port", name, "80").out)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", cli("port", name, "53/udp").out)
    assert len(cli("port", name).lines) == 2
    assert "No public port '81' published" in cli.fails("port", name, "81")


def test_inspect_dates_and_paths(cli: Docker, name: str) -> None:
    cli("run", "--name", name, "-w", "/tmp", IMAGE, "sh", "-c", "exit 2", code=2)
    shown = json.loads(cli("inspect", name).out)[0]
    created, started, finished = (
        datetime.fromisoformat(re.sub(r"\.(\d{6})\d*Z$", r".\1+00:00", text))
        for text in (shown["Created"], shown["State"]["StartedAt"], shown["State"]["FinishedAt"])
    )
    assert created < started <= finished
    assert (shown["Path"], shown["Args"]) == ("sh", ["-c", "exit 2"])
    assert shown["Config"]["WorkingDir"] == "/tmp"
    assert shown["Image"].startswith("sha256:")
    assert shown["Platform"] == "linux"
    assert shown["State"]["Pid"] == 0


@pytest.mark.parametrize("kind", ["container", "image"])
def test_inspect_finds_by_type(cli: Docker, name: str, kind: str) -> None:
    cli("create", "--name", name, IMAGE)
    shown = cli("inspect", "--type", kind, "-f", "{{.Id}}", name if kind == "container" else IMAGE).out
    assert len(shown.removeprefix("sha256:")) == 64
    assert f"No such {kind}: gone" in cli.fails("inspect", "--type", kind, "gone")


def test_the_log_shows_what_attach_missed(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, "sh", "-c", "echo before")
    eventually(lambda: cli("logs", name).out == "before")
