"""``pierd`` dies by ``kill -9`` under 20 containers, and a new one takes over.

One story, told once (``world``): containers are made, the daemon is killed, some containers end while there
is no daemon, a new daemon starts. The tests then look at it from all sides.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually, read_until
from tests.compat.test_docker_cli_networks import fetch
from tests.system.engine.conftest import Host, Start

TICKING = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done"
UNTIL_TOLD = "while [ ! -e /flags/$0 ]; do sleep 0.02; done; "
TICKERS = [f"ticker-{number}" for number in range(10)]


@dataclass(frozen=True)
class World:
    host: Host
    before: dict[str, int]
    """Process IDs of the containers when the daemon was killed."""
    ticks: dict[str, int]
    """Lines in the tickers' logs at that moment."""

    @property
    def cli(self) -> Docker:
        return self.host.cli

    def state(self, name: str, field: str = "Status") -> str:
        return self.cli("inspect", "-f", f"{{{{.State.{field}}}}}", name).out

    def is_running(self, name: str) -> bool:
        return self.state(name) == "running"

    def pid(self, name: str) -> int:
        return int(self.state(name, "Pid"))


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def make_containers(cli: Docker, flags: Path) -> list[str]:
    """The twenty."""

    def run(name: str, script: str, *options: str) -> None:
        cli("run", "-d", "--name", name, "-v", f"{flags}:/flags", *options, IMAGE, "sh", "-c", script, name)

    for name in TICKERS:
        run(name, TICKING)
    run("paused", TICKING)
    run("echo", "while read line; do echo got $line; done", "-i")
    run("screen", "stty -echo; while read line; do echo got $line; done", "-i", "-t")
    run("ends", UNTIL_TOLD + "echo last words; exit 7")
    run("ends-rm", UNTIL_TOLD + "exit 8", "--rm")
    run("killed", TICKING)
    run("always", UNTIL_TOLD + "rm /flags/always; exit 1", "--restart", "always")
    run("on-failure", UNTIL_TOLD + "rm /flags/on-failure; exit 1", "--restart", "on-failure:5")
    run("on-success", UNTIL_TOLD + "exit 0", "--restart", "on-failure:5")
    run("web", "exec httpd -f -p 80 -h /www", "-p", "127.0.0.1::80")
    cli("pause", "paused")
    return [
        *TICKERS,
        "paused",
        "echo",
        "screen",
        "ends",
        "ends-rm",
        "killed",
        "always",
        "on-failure",
        "on-success",
        "web",
    ]


@pytest.fixture(scope="module")
def world(start_engine: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    host = start_engine()
    cli, flags = host.cli, tmp_path_factory.mktemp("flags")
    names = make_containers(cli, flags)
    assert len(names) == 20
    before = {name: int(cli("inspect", "-f", "{{.State.Pid}}", name).out) for name in names}
    ticks = {name: len(cli("logs", name).lines) for name in TICKERS}
    host.daemon.kill()
    for name in ("ends", "ends-rm", "always", "on-failure", "on-success"):
        (flags / name).touch()
    os.kill(before["killed"], signal.SIGKILL)
    for name in ("ends", "ends-rm", "always", "on-failure", "on-success", "killed"):
        eventually(partial(gone, before[name]), f"{name} ends")
    host.daemon.start()
    yield World(host, before, ticks)


def test_what_ran_runs_on(world: World) -> None:
    for name in (*TICKERS, "echo", "screen", "web"):
        assert (world.state(name), world.pid(name)) == ("running", world.before[name])
    assert (world.state("paused"), world.pid("paused")) == ("paused", world.before["paused"])


def test_no_line_of_a_log_is_lost(world: World) -> None:
    for name in TICKERS:
        lines = [int(line) for line in world.cli("logs", name).lines]
        assert lines == list(range(len(lines)))
        assert len(lines) > world.ticks[name]


def test_exit_codes_of_those_that_ended_meanwhile(world: World) -> None:
    eventually(lambda: world.state("ends") == "exited")
    assert world.state("ends", "ExitCode") == "7"
    assert world.cli("wait", "ends").out == "7"
    assert world.cli("logs", "ends").out == "last words"
    eventually(lambda: world.state("killed") == "exited")
    assert world.state("killed", "ExitCode") == "137"
    finished = world.state("ends", "FinishedAt")
    assert re.match(r"20\d\d-", finished)
    assert finished > world.state("ends", "StartedAt")


def test_one_with_rm_is_removed(world: World) -> None:
    eventually(lambda: "ends-rm" not in world.cli("ps", "-a", "--format", "{{.Names}}").lines)


def test_restart_policies_are_honoured(world: World) -> None:
    for name in ("always", "on-failure"):
        eventually(partial(world.is_running, name))
        assert world.pid(name) != world.before[name]
        assert int(world.cli("inspect", "-f", "{{.RestartCount}}", name).out) >= 1
    eventually(lambda: world.state("on-success") == "exited")
    assert world.state("on-success", "ExitCode") == "0"


def test_exec_works_again(world: World) -> None:
    assert world.cli("exec", "ticker-0", "sh", "-c", "echo inside; exit 3", code=3).out == "inside"


def test_logs_follow_again(world: World) -> None:
    following = world.cli.spawn("logs", "-f", "--tail", "1", "ticker-1")
    assert following.stdout
    first = int(read_until(following.stdout, b"\n").split()[0])
    read_until(following.stdout, f"\n{first + 10}\n".encode())
    following.kill()
    following.communicate()


def test_attach_works_again(world: World) -> None:
    attached = world.cli.spawn("attach", "echo")
    assert attached.stdin and attached.stdout
    attached.stdin.write(b"a word\n")
    attached.stdin.flush()
    assert read_until(attached.stdout, b"word\n") == b"got a word\n"
    attached.kill()
    attached.communicate()


def test_terminals_work_again(world: World) -> None:
    with world.cli.terminal("attach", "screen", rows=30, columns=90) as screen:
        screen.type("hello\n")
        screen.expect("got hello\r\n")
        screen.type("\x10\x11")
        screen.ended()
    assert world.state("screen") == "running"


def test_stop_restart_pause_and_rm_work_again(world: World) -> None:
    cli = world.cli
    cli("stop", "-t", "0", "ticker-2")
    assert world.state("ticker-2", "ExitCode") == "137"
    assert gone(world.before["ticker-2"])
    cli("start", "ticker-2")
    assert world.state("ticker-2") == "running"
    cli("unpause", "paused")
    assert world.state("paused") == "running"
    cli("pause", "ticker-3")
    cli("unpause", "ticker-3")
    cli("restart", "-t", "0", "ticker-4")
    assert world.pid("ticker-4") != world.before["ticker-4"]
    cli("rm", "-f", "ticker-5")
    eventually(lambda: gone(world.before["ticker-5"]))
    cli("kill", "ticker-6")
    assert cli("wait", "ticker-6").out == "137"


def test_published_ports_stay(world: World) -> None:
    port = int(world.cli("port", "web").out.rpartition(":")[2])
    assert fetch("127.0.0.1", port) == "hello from the image\n"
    taken = world.cli.fails("run", "-p", f"127.0.0.1:{port}:80", IMAGE, "true", code=125)
    assert f"Bind for 127.0.0.1:{port} failed: port is already allocated" in taken


def test_addresses_are_still_taken(world: World) -> None:
    """A new container gets none of those that are in use."""

    def address(name: str) -> str:
        return world.cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name).out

    world.cli("run", "-d", "--name", "newcomer", IMAGE, "sleep", "1000")
    assert address("newcomer") not in {address(name) for name in (*TICKERS[6:], "web", "echo")}


def test_a_second_death(world: World) -> None:
    """Nothing is lost by dying again, with no time to settle."""
    world.host.daemon.kill()
    world.host.daemon.start()
    world.host.daemon.kill()
    world.host.daemon.start()
    for name in TICKERS[7:]:
        assert (world.state(name), world.pid(name)) == ("running", world.before[name])
        lines = [int(line) for line in world.cli("logs", name).lines]
        assert lines == list(range(len(lines)))


def test_an_orderly_stop_keeps_containers_too(world: World) -> None:
    assert world.host.daemon.stop() == 0
    assert not gone(world.before["ticker-9"])
    world.host.daemon.start()
    assert world.pid("ticker-9") == world.before["ticker-9"]


@pytest.mark.parametrize("finished", [0, 1, 4])
def test_death_in_the_middle_of_starts(start_engine: Start, finished: int) -> None:
    """Whatever was half done is finished or undone: each container can be used and removed, and nothing is left."""
    host = start_engine()
    cli = host.cli
    starting = [cli.spawn("run", "-d", "--name", f"c{number}", IMAGE, "sleep", "1000") for number in range(8)]
    eventually(lambda: sum(process.poll() is not None for process in starting) >= finished)
    host.daemon.kill()
    for process in starting:
        process.communicate(timeout=60)
    host.daemon.start()
    rows = [json.loads(line) for line in cli("ps", "-a", "--no-trunc", "--format", "{{json .}}").lines]
    for row in rows:
        assert row["State"] in {"created", "running", "exited"}
        if row["State"] == "running":
            cli("exec", row["ID"], "true")
    if rows:
        cli("rm", "-f", *(row["ID"] for row in rows))
    eventually(lambda: not container_mounts(host), "mounts go")
    eventually(lambda: not interfaces_of(host.daemon.bridge), "interfaces go")
    cli("run", "--rm", IMAGE, "true")


def container_mounts(host: Host) -> list[str]:
    """Mount points below the daemon's folders that belong to a container."""
    points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    own = [point for point in points if point.startswith((f"{host.daemon.root}/", f"{host.daemon.run}/"))]
    return [point for point in own if re.search(r"/(merged|netns/[0-9a-f]+|shm|containers/[0-9a-f]+)", point)]


def interfaces_of(bridge: str) -> list[str]:
    folder = Path(f"/sys/class/net/{bridge}/brif")
    return [path.name for path in folder.iterdir()] if folder.exists() else []
