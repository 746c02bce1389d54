"""From ``create`` to ``rm``: states, signals, restart policies, names."""

import json
import re
import time

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually

FOREVER = ("sleep", "1000")
TRAPPING = ("sh", "-c", "trap 'exit 7' TERM; trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done")


def state(cli: Docker, name: str, field: str = "Status") -> str:
    return cli("inspect", "-f", f"{{{{.State.{field}}}}}", name).out


def test_create_and_start(cli: Docker, name: str) -> None:
    cli("create", "--name", name, IMAGE, *FOREVER)
    assert state(cli, name) == "created"
    assert cli("start", name).out == name
    assert state(cli, name) == "running"
    assert cli("start", name).out == name, "starting a running container is no error"


def test_start_again_after_the_end(cli: Docker, name: str) -> None:
    cli("run", "--name", name, IMAGE, "sh", "-c", "echo once >>/log; cat /log")
    assert cli("start", "-a", name).lines == ["once", "once"]


def test_stop_lets_it_finish(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *TRAPPING)
    eventually(lambda: cli("logs", name).out == "ready")
    assert cli("stop", name).out == name
    assert (state(cli, name), state(cli, name, "ExitCode")) == ("exited", "7")
    assert cli("stop", name).out == name, "stopping a stopped container is no error"


def test_stop_kills_after_the_timeout(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--stop-timeout", "1000", IMAGE, *FOREVER)
    began = time.monotonic()
    cli("stop", "-t", "1", name)
    assert time.monotonic() - began > 0.9
    assert state(cli, name, "ExitCode") == "137"


def test_the_containers_own_stop_signal_and_timeout(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--stop-signal", "KILL", "--stop-timeout", "1000", IMAGE, *FOREVER)
    cli("stop", name)
    cli("run", "-d", "--name", name + "2", "--stop-timeout", "1", IMAGE, *FOREVER)

    def seconds() -> float:
        cli("start", name + "2")
        began = time.monotonic()
        cli("stop", name + "2")
        return time.monotonic() - began

    assert any(seconds() < 9 for _ in range(3))


def test_kill(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *TRAPPING)
    eventually(lambda: cli("logs", name).out == "ready")
    assert cli("kill", "-s", "HUP", name).out == name
    eventually(lambda: "hup" in cli("logs", name).out)
    assert state(cli, name) == "running"
    cli("kill", name)
    assert state(cli, name, "ExitCode") == "137"
    assert re.search("container [0-9a-f]{64} is not running", cli.fails("kill", name))


def test_kill_with_nonsense(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *FOREVER)
    assert "invalid signal: NONSENSE" in cli.fails("kill", "-s", "NONSENSE", name)


def test_restart(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *FOREVER)
    before = state(cli, name, "Pid")
    assert cli("restart", "-t", "0", name).out == name
    assert state(cli, name) == "running"
    assert state(cli, name, "Pid") != before
    cli("stop", "-t", "0", name)
    cli("restart", name)
    assert state(cli, name) == "running"


def test_pause_holds_it_still(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/n; sleep 0.02; done")
    eventually(lambda: cli("exec", name, "cat", "/n").out)
    assert cli("pause", name).out == name
    assert (state(cli, name), state(cli, name, "Paused")) == ("paused", "true")
    assert "(Paused)" in cli("ps", "--filter", f"name={name}", "--format", "{{.Status}}").out
    assert "is already paused" in cli.fails("pause", name)
    assert "is paused, unpause the container before exec" in cli.fails("exec", name, "true")
    cli("unpause", name)
    assert state(cli, name) == "running"
    assert "is not paused" in cli.fails("unpause", name)
    first = cli("exec", name, "cat", "/n").out
    eventually(lambda: cli("exec", name, "cat", "/n").out != first)


def test_stop_of_a_paused_one_ends(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *FOREVER)
    cli("pause", name)
    cli("rm", "-f", name)
    assert cli("ps", "-aq", "--filter", f"name={name}").out == ""


def test_wait_returns_the_code(cli: Docker, name: str) -> None:
    cli("run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", "read x; exit 12")
    waiting = cli.spawn("wait", name)
    cli.spawn("attach", name).communicate(b"\n", timeout=60)
    out, _ = waiting.communicate(timeout=60)
    assert out == b"12\n"
    assert cli("wait", name).out == "12"


def test_rename(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *FOREVER)
    cli("rename", name, name + "-new")
    assert cli("inspect", "-f", "{{.Name}}", name + "-new").out == f"/{name}-new"
    assert "No such" in cli.fails("inspect", name)
    cli("create", "--name", name, IMAGE)
    assert "is already in use by container" in cli.fails("rename", name, name + "-new")
    assert "Renaming a container with the same name" in cli.fails("rename", name, name)


def test_rm(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *FOREVER)
    message = cli.fails("rm", name)
    assert "container is running: stop the container before removing or force remove" in message
    assert f'cannot remove container "/{name}"' in message or "You cannot remove a running container" in message
    assert cli("rm", "-f", name).out == name
    assert f"No such container: {name}" in cli.fails("rm", name)
    assert f"No such container: {name}" in cli("rm", "-f", name).err, "with -f a missing one is no failure"


def test_ids_can_be_shortened(cli: Docker, name: str) -> None:
    full = cli("create", "--name", name, IMAGE).out
    for prefix in (full, full[:12], full[:8]):
        assert cli("inspect", "-f", "{{.Name}}", prefix).out == f"/{name}"


@pytest.mark.parametrize("code", [0, 1])
def test_restart_on_failure(cli: Docker, name: str, code: int) -> None:
    cli("run", "-d", "--name", name, "--restart", "on-failure:2", IMAGE, "sh", "-c", f"echo x; exit {code}")
    eventually(lambda: state(cli, name) == "exited")
    assert len(cli("logs", name).lines) == (3 if code else 1)
    assert cli("inspect", "-f", "{{.RestartCount}}", name).out == ("2" if code else "0")


def test_restart_always_until_stopped(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--restart", "always", IMAGE, "sh", "-c", "echo x; sleep 0.2")
    eventually(lambda: len(cli("logs", name).lines) >= 3)
    cli("stop", "-t", "1", name)
    assert state(cli, name) == "exited"
    count = len(cli("logs", name).lines)
    cli("run", "--rm", IMAGE, "sleep", "1")
    assert len(cli("logs", name).lines) == count


def test_restart_and_rm_conflict(cli: Docker) -> None:
    message = cli.fails("run", "--rm", "--restart", "always", IMAGE, "true", code=125)
    assert "conflicting options: cannot specify both --restart and --rm" in message


def test_update_changes_limits_and_policy(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, *FOREVER)
    cli("update", "--memory", "64m", "--memory-swap", "64m", "--restart", "unless-stopped", name)
    host = json.loads(cli("inspect", "-f", "{{json .HostConfig}}", name).out)
    assert host["Memory"] == 64 * 1024 * 1024
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


def test_prune_takes_what_has_ended(cli: Docker, name: str) -> None:
    cli("run", "--name", name, "--label", f"prune={name}", IMAGE, "true")
    cli("run", "-d", "--name", name + "-up", "--label", f"prune={name}", IMAGE, *FOREVER)
    gone = cli("inspect", "-f", "{{.Id}}", name).out
    printed = cli("container", "prune", "-f", "--filter", f"label=prune={name}").out
    assert f"Deleted Containers:\n{gone}" in printed
    assert "Total reclaimed space:" in printed
    assert state(cli, name + "-up") == "running"


def test_several_at_once(cli: Docker, name: str) -> None:
    names = [f"{name}-{number}" for number in range(3)]
    for one in names:
        cli("run", "-d", "--name", one, IMAGE, *FOREVER)
    assert cli("stop", "-t", "0", *names).lines == names
    assert cli("start", *names).lines == names
    assert cli("rm", "-f", *names).lines == names
