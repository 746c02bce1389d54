"""Where Pier's defaults are better than Docker's, or stricter: what the compat room cannot ask of a Docker."""

import json
from collections.abc import Iterator

import pytest

from tests.compat.archives import ImageParts, oci_archive
from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker
from tests.compat.rootfs import busybox_rootfs
from tests.system.engine.conftest import Start


@pytest.fixture(scope="module")
def cli(start_engine: Start) -> Iterator[Docker]:
    yield start_engine().cli


def test_the_cgroup_namespace_is_the_containers_own(cli: Docker) -> None:
    groups = cli("run", "--rm", IMAGE, "cat", "/proc/self/cgroup").lines
    assert [line for line in groups if "pier" in line] == []


def test_a_kill_for_memory_is_recorded(cli: Docker) -> None:
    cli(
        "run",
        "--name",
        "hungry",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        IMAGE,
        "tail",
        "-c",
        "50m",
        "/dev/zero",
        code=137,
    )
    assert cli("inspect", "-f", "{{.State.OOMKilled}}", "hungry").out == "true"
    assert (
        "oom"
        in cli(
            "events", "--since", "5m", "--until=-1s", "--filter", "container=hungry", "--format", "{{.Action}}"
        ).lines
    )


def test_a_plain_oci_layout_is_loaded(cli: Docker) -> None:
    parts = ImageParts([busybox_rootfs()], {"Cmd": ["echo", "from a layout"], "Env": ["PATH=/bin"]})
    for number, compressed in enumerate((True, False)):
        cli("load", stdin=oci_archive(parts, f"layout:{number}", compressed=compressed))
        assert cli("image", "inspect", "-f", "{{.Id}}", f"layout:{number}").out == parts.id
        assert cli("run", "--rm", f"layout:{number}").out == "from a layout"


def test_exec_of_a_missing_command_is_127(cli: Docker) -> None:
    cli("run", "-d", "--name", "up", IMAGE, "sleep", "1000")
    cli("exec", "up", "no-such-command", code=127)


def test_half_closed_attach_loses_nothing(cli: Docker) -> None:
    """Docker's daemon drops the answer when the client's input ends first."""
    cli("run", "-d", "-i", "--name", "answering", IMAGE, "sh", "-c", "read line; echo got $line; exit 6")
    assert cli("attach", "answering", stdin=b"a word\n", code=6).out == "got a word"


def test_logs_are_bounded(cli: Docker) -> None:
    """A container's log is rotated at 1 MB here, and of three files the oldest goes."""
    flags = ("--log-opt", "max-size=1m", "--log-opt", "max-file=3")
    cli("run", "--name", "chatty", *flags, IMAGE, "seq", "1000000")
    kept = cli("logs", "chatty").stdout
    assert len(kept) < 4 * 1024 * 1024
    assert kept.endswith(b"999999\n1000000\n")
    whole = kept.splitlines()[1:]  # the first may have begun in a file that is gone
    numbers = [int(line) for line in whole]
    assert numbers == list(range(numbers[0], 1_000_001))
    path = json.loads(cli("inspect", "-f", "{{json .LogPath}}", "chatty").out)
    assert path.startswith("/")
