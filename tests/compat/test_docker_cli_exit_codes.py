"""Exit codes: 125 the engine's, 126 not executable, 127 not found, else the container's own."""

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker


@pytest.mark.parametrize("code", [0, 1, 42, 125, 255])
def test_the_containers_own(cli: Docker, code: int) -> None:
    cli("run", "--rm", IMAGE, "sh", "-c", f"exit {code}", code=code)


def test_death_by_signal(cli: Docker) -> None:
    cli("run", "--rm", "--init", IMAGE, "sh", "-c", "kill -9 $$", code=137)


def test_125_for_a_bad_flag_or_an_unknown_image(cli: Docker) -> None:
    assert "unknown flag: --nonsense" in cli.fails("run", "--nonsense", IMAGE, code=125)
    assert "invalid reference format" in cli.fails("run", "--pull=never", "UPPER", code=125)
    message = cli.fails("run", "--pull=never", "no-such-image:1", code=125)
    assert "No such image: no-such-image:1" in message


def test_127_for_a_missing_command(cli: Docker) -> None:
    message = cli.fails("run", "--rm", IMAGE, "no-such-command", code=127)
    assert 'exec: "no-such-command": executable file not found in $PATH' in message
    message = cli.fails("run", "--rm", IMAGE, "/no/such/path", code=127)
    assert "/no/such/path" in message
    assert "no such file or directory" in message.lower()


def test_126_for_a_command_that_cannot_run(cli: Docker) -> None:
    for path in ("/etc/passwd", "/etc"):
        message = cli.fails("run", "--rm", IMAGE, path, code=126)
        assert "permission denied" in message.lower() or "is a directory" in message.lower()


def test_a_failed_start_is_recorded_and_leaves_no_address_behind(cli: Docker, name: str) -> None:
    cli.fails("run", "--name", name, IMAGE, "no-such-command", code=127)
    assert (
        cli("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}", name).out
        == "created 127 false"
    )
    assert "no-such-command" in cli("inspect", "-f", "{{.State.Error}}", name).out
    assert cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name).out in {"", "invalid IP"}


def test_detached_run_reports_a_missing_command_too(cli: Docker) -> None:
    cli.fails("run", "-d", IMAGE, "no-such-command", code=127)


def test_start_reports_the_container_by_name(cli: Docker, name: str) -> None:
    cli("create", "--name", name, IMAGE, "no-such-command")
    message = cli.fails("start", name)
    assert "executable file not found in $PATH" in message
    assert f"failed to start containers: {name}" in message


@pytest.mark.parametrize(
    "command", ["start", "stop", "kill", "restart", "pause", "unpause", "rm", "inspect", "logs", "top", "port", "wait"]
)
def test_an_unknown_container(cli: Docker, command: str) -> None:
    message = cli.fails(command, "no-such-container")
    assert "no such " in message.lower()
    assert "no-such-container" in message


def test_unknown_containers_elsewhere(cli: Docker, name: str) -> None:
    assert "No such container: gone" in cli.fails("exec", "gone", "true")
    assert "No such container: gone" in cli.fails("attach", "gone")
    assert "No such container: gone" in cli.fails("rename", "gone", name)
    assert "No such container: gone" in cli.fails("cp", "gone:/x", "-")
