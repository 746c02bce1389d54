"""Clients that are interrupted, killed, or wait for a daemon that hangs: their steps stop, and nothing is left."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.hostile import alive, assert_sound, dockerfile, engine_with_box, seconds
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins

CLIENTS = ("pier", "buildx", "buildkit", "classic")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("clients")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "clients=1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture(params=CLIENTS)
def client(
    request: pytest.FixtureRequest,
    pier: Docker,
    machine: RunningEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> "Client":
    """Each in its turn, and what it calls a build."""
    name: str = request.param
    if name == "pier":
        return Client(name, pier, ("build",))
    monkeypatch.setenv("DOCKER_BUILDKIT", "0" if name == "classic" else "1")
    docker = with_plugins(docker_program(), machine.host, tmp_path / "docker", "clients=1", ["docker-buildx"])
    return Client(name, docker, ("buildx", "build") if name == "buildx" else ("build",))


class Client:
    """``spawn`` begins a build in a session of its own, as a shell does."""

    def __init__(self, name: str, cli: Docker, command: tuple[str, ...]) -> None:
        self.name = name
        self._cli = cli
        self._command = command

    def spawn(self, where: str) -> "subprocess.Popen[bytes]":
        return self._cli.spawn(*self._command, "--no-cache", "-t", "never", where, start_new_session=True)


STUBBORN = "trap '' INT TERM HUP; (setsid {} >/dev/null 2>&1 &); {} & wait; {}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_a_client_that_ends_takes_its_steps_along(
    client: Client, pier: Docker, machine: RunningEngine, project: Path, number: signal.Signals
) -> None:
    """Two steps at once where they can be (the classic client sees them too), with processes that listen to nothing."""
    command = f"sleep {seconds()}"
    step = "RUN " + STUBBORN.format(*(command,) * 3)
    where = dockerfile(
        project,
        *("FROM box AS one", f"{step}; echo one"),
        *("FROM box AS two", f"{step}; echo two"),
        *("FROM box", "COPY --from=one / /", "COPY --from=two / /"),
    )
    marker = command.replace(" ", "\0")
    running = client.spawn(where)
    eventually(lambda: len(alive(marker)) >= 4, "both steps run")
    os.killpg(running.pid, number)
    running.communicate(timeout=60)
    assert running.returncode != 0
    eventually(lambda: not alive(marker), "the steps are gone")
    assert_sound(machine, pier)
    pier.fails("image", "inspect", "never")


def test_a_second_interrupt_ends_a_client_whose_daemon_hangs(pier: Pier, machine: RunningEngine, project: Path) -> None:
    long = seconds()
    where = dockerfile(project, "FROM box", f"RUN sleep {long}")
    running = pier.spawn("build", where, start_new_session=True)
    eventually(lambda: alive(f"sleep\x00{long}"), "the step runs")
    os.kill(machine.pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            os.killpg(running.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(1)
        running.communicate(timeout=60)
        assert running.returncode != 0
    finally:
        os.kill(machine.pid, signal.SIGCONT)
    assert_sound(machine, pier)
