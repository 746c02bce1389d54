"""Health checks, as ``docker run``, ``ps``, ``inspect`` and ``events`` show them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually

FAST = ("--health-interval", "200ms", "--health-timeout", "60s", "--health-retries", "1")


def health(cli: Docker, name: str) -> Any:
    return json.loads(cli("inspect", "-f", "{{json .State.Health}}", name).out)


def status(cli: Docker, name: str) -> str:
    return cli("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}").out


def test_a_container_becomes_unhealthy_and_healthy_again(cli: Docker, name: str) -> None:
    since = time.time()
    cli("run", "-d", "--name", name, "--health-cmd", "exec 2>&1; echo said; cat /well", *FAST, IMAGE, "sleep", "1000")
    eventually(lambda: health(cli, name)["Status"] == "unhealthy")
    found = health(cli, name)
    entry = found["Log"][0]
    assert found["FailingStreak"] >= 1 and entry["ExitCode"] == 1
    assert entry["Output"] == "said\ncat: can't open '/well': No such file or directory\n"
    assert entry["Start"] < entry["End"]
    assert status(cli, name).endswith(" (unhealthy)")
    cli("exec", name, "touch", "/well")
    eventually(lambda: health(cli, name)["Status"] == "healthy")
    assert status(cli, name).endswith(" (healthy)") and health(cli, name)["FailingStreak"] == 0
    assert cli("ps", "-q", "--filter", f"name={name}", "--filter", "health=healthy").lines
    assert not cli("ps", "-q", "--filter", f"name={name}", "--filter", "health=starting").lines
    told = cli("events", "--since", str(since), "--until", str(time.time()), "--filter", f"container={name}",
               "--filter", "event=health_status", "--format", "{{.Action}}")  # fmt: skip
    assert told.lines == ["health_status: unhealthy", "health_status: healthy"]


def test_it_is_starting_until_the_first_probe(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--health-cmd", "true", IMAGE, "sleep", "1000")
    assert health(cli, name) == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert status(cli, name).endswith(" (health: starting)")
    cli("stop", "-t", "0", name)
    assert health(cli, name)["Status"] == "unhealthy" and status(cli, name).startswith("Exited (137)")


def test_a_probe_that_takes_too_long(cli: Docker, name: str) -> None:
    flags = (*FAST[:2], "--health-timeout", "1s", *FAST[4:])
    cli("run", "-d", "--name", name, "--health-cmd", "echo said; exec sleep 1000", *flags, IMAGE, "sleep", "1000")
    eventually(lambda: health(cli, name)["Status"] == "unhealthy")
    expected = (-1, "Health check exceeded timeout (1s): said\n")
    eventually(lambda: expected in [(each["ExitCode"], each["Output"]) for each in health(cli, name)["Log"]])


@pytest.fixture
def tag(cli: Docker, name: str) -> Iterator[str]:
    yield f"{name}:checked"
    cli("rm", "-f", name, f"{name}-own", f"{name}-none")
    cli("rmi", f"{name}:checked")


def test_the_images_check_and_none(cli: Docker, name: str, tag: str) -> None:
    cli("create", "--name", name, IMAGE, "sleep", "1000")
    cli("commit", "-c", 'HEALTHCHECK --interval=200ms CMD ["true"]', name, tag)
    cli("run", "-d", "--name", f"{name}-own", tag, "sleep", "1000")
    eventually(lambda: health(cli, f"{name}-own")["Status"] == "healthy")
    cli("run", "-d", "--name", f"{name}-none", "--no-healthcheck", tag, "sleep", "1000")
    assert health(cli, f"{name}-none") is None
