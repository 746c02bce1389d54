"""Builds by those who mean harm, and by those who have bad luck: a clear error or the right image, and nothing left."""

import os
import signal
import socket
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.hostile import alive, dockerfile, engine_with_box, listing, seconds, settled
from tests.compat.pier_cli import Pier


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("hostile")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "hostile=1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


# --- contexts ---


def test_what_a_folder_can_hold(pier: Pier, project: Path) -> None:
    """Links are copied and never followed out; devices and FIFOs are what they are; names are bytes."""
    os.mkfifo(project / "fifo")
    os.mknod(project / "null", 0o20644, os.makedev(1, 3))
    (project / "out").symlink_to("/etc")
    (project / "loop").symlink_to("loop")
    (project / "climbing").symlink_to("../../../../../../etc/shadow")
    Path(os.fsdecode(os.fsencode(project) + b"/bad\xff\nname")).write_text("x")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(project / "socket"))
        pier("build", "-t", "odd", dockerfile(project, "FROM scratch", "COPY . /all/"))
    found = listing(pier, "odd")
    assert found["all/fifo"].isfifo()
    assert found["all/null"].ischr() and (found["all/null"].devmajor, found["all/null"].devminor) == (1, 3)
    assert found["all/out"].linkname == "/etc" and found["all/climbing"].linkname.endswith("/etc/shadow")
    assert "all/bad\udcff\nname" in found
    assert "root:" not in str(found)


@pytest.mark.parametrize("path", ["out/passwd", "climbing", "../secret", "/../../etc/passwd", "loop"])
def test_no_path_leads_out_of_the_context(pier: Pier, project: Path, path: str) -> None:
    (project.parent / "secret").write_text("secret")
    (project / "out").symlink_to("/etc")
    (project / "loop").symlink_to("loop/loop")
    (project / "climbing").symlink_to("../secret")
    text = pier.fails("build", dockerfile(project, "FROM box", f"RUN --mount=type=bind,source={path},target=/x cat /x"))
    assert "not found" in text or "no such file" in text or "too many" in text


def test_an_archive_cannot_climb(pier: Pier, project: Path) -> None:
    with tarfile.open(project / "evil.tar", "w") as tar:
        for name in ("../../../../../../tmp/pier-was-here", "/tmp/pier-was-here-too", "ok"):
            info = tarfile.TarInfo(name)
            info.size = 2
            tar.addfile(info, BytesIO(b"x\n"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/"
        tar.addfile(link)
        through = tarfile.TarInfo("link/tmp/pier-was-here-three")
        through.size = 2
        tar.addfile(through, BytesIO(b"x\n"))
    pier("build", "-t", "climbed", dockerfile(project, "FROM scratch", "ADD evil.tar /deep/down/"), code={0, 1})
    assert not list(Path("/tmp").glob("pier-was-here*"))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("FROM box AS a", "COPY --from=b / /", "FROM box AS b", "COPY --from=a / /"), "defined before current stage"),
        (("FROM box AS a", "COPY --from=a / /"), "circular dependency detected on stage: a"),
        (("FROM box", "RUN false"), "did not complete successfully: exit code: 1"),
        (("FROM box", "RUN no-such-program"), "exit code: 127"),
        (("FROM box", "COPY nothing /"), '"/nothing": not found'),
        (("FROM box", "COPI . /"), "unknown instruction: COPI"),
        (("FROM box", "RUN --mount=type=secret,id=x,required=true cat /run/secrets/x"), "secret x: not found"),
        (("FROM box", "USER nobody-at-all", "RUN true"), "nobody-at-all"),
        (("FROM no/such:image",), "no/such:image"),
        (("FROM box", "ADD --checksum=sha256:00 http://127.0.0.1:1/x /"), "checksum"),
        (("FROM box", "RUN --security=insecure true"), "security.insecure is not allowed"),
        (("FROM box", "WORKDIR ${x?is missing}"), "is missing"),
    ],
)
def test_a_clear_error(pier: Pier, machine: RunningEngine, project: Path, lines: tuple[str, ...], words: str) -> None:
    text = pier.fails("build", "-t", "never", dockerfile(project, *lines))
    assert words in text
    assert "Dockerfile:" in text
    pier.fails("image", "inspect", "never")
    settled(machine)


@pytest.mark.parametrize(
    ("entitlement", "flag"), [("security.insecure", "--security=insecure"), ("network.host", "--network=host")]
)
def test_what_others_were_granted_is_not_cached_for_all(pier: Pier, project: Path, entitlement: str, flag: str) -> None:
    """Granted once, the step is in the cache; who lacks the entitlement is refused all the same."""
    where = dockerfile(project, "FROM box", f"RUN {flag} true")
    pier("build", "--allow", entitlement, where)
    assert f"{entitlement} is not allowed" in pier.fails("build", where)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["ENV A=0123456789", *["ENV A=$A$A"] * 40], "more than 1048576 characters"),
        (["ARG A=0123456789", *["ARG A=${A}${A:-x}${A:+$A}"] * 40], "more than 1048576 characters"),
        (["ENV A=0123456789", *["ENV A=${A//?/$A}"] * 10], "more than 1048576 characters"),
        (
            ["ENV A=0123456789", *["ENV A=$A$A"] * 16, *[f"ENV A{n}=$A" for n in range(2000)]],
            "image config is larger than",
        ),
        (["ENV A=0123456789", *["ENV A=$A$A"] * 16, *["RUN : $A"] * 300], "did not complete successfully"),
        (["ARG A=0123456789", *["ARG A=$A$A"] * 16, *["RUN : $A"] * 300], "image config is larger than"),
    ],
)
def test_variables_that_grow(pier: Pier, machine: RunningEngine, project: Path, lines: list[str], words: str) -> None:
    """A few lines ask for terabytes."""
    before = peak(machine)
    assert words in pier.fails("build", dockerfile(project, "FROM box", *lines))
    assert peak(machine) - before < 400


def peak(engine: RunningEngine) -> int:
    """The most memory that the daemon has had, in MiB."""
    lines = Path(f"/proc/{engine.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def test_five_hundred_stages(pier: Pier, project: Path) -> None:
    stages = [f"FROM s{n - 1} AS s{n}\nENV N{n}={n}" for n in range(1, 500)]
    pier("build", "-t", "many", dockerfile(project, "FROM scratch AS s0", *stages))
    assert pier("image", "inspect", "-f", "{{len .Config.Env}}", "many").out >= "499"


# --- steps ---


def test_what_a_step_leaves_running_ends_with_it(pier: Pier, machine: RunningEngine, project: Path) -> None:
    long = seconds()
    step = f"RUN (setsid sleep {long} >/dev/null 2>&1 &) ; (sleep {long} &) ; echo started"
    pier("build", "--no-cache", dockerfile(project, "FROM box", step))
    assert alive(f"sleep\x00{long}") == []
    settled(machine)


LONG = seconds()
EXPLODED = "until set -- /proc/[0-9]*; [ $# -gt 40 ]; do :; done"
BOMB = ("USER web", f"RUN trap '' INT TERM; b() {{ b & b & exec sleep {LONG}; }}; b 2>/dev/null & {EXPLODED}")


def test_a_fork_bomb_ends_with_its_step(pier: Pier, machine: RunningEngine, project: Path) -> None:
    where = dockerfile(project, "FROM box", *BOMB)
    running = pier.spawn("build", "--no-cache", "--ulimit", "nproc=120:120", where)
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert alive(f"sleep\x00{LONG}") == []
    settled(machine)


def test_a_fork_bomb_can_be_stopped(pier: Pier, machine: RunningEngine, project: Path) -> None:
    where = dockerfile(project, "FROM box", *BOMB[:1], BOMB[1].replace(EXPLODED, f"exec sleep {LONG}"))
    running = pier.spawn("build", "--no-cache", "--ulimit", "nproc=120:120", where, start_new_session=True)
    eventually(lambda: len(alive(f"sleep\x00{LONG}")) > 30, "it goes off")
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
    eventually(lambda: not alive(f"sleep\x00{LONG}"), "all of it is gone")
    settled(machine)


def test_an_interrupt_stops_all_steps_at_once(pier: Pier, machine: RunningEngine, project: Path) -> None:
    long = seconds()
    where = dockerfile(
        project,
        "FROM box AS one",
        f"RUN trap '' INT TERM; echo one; sleep {long}",
        "FROM box AS two",
        f"RUN trap '' INT TERM; echo two; sleep {long}",
        "FROM scratch",
        "COPY --from=one / /",
        "COPY --from=two / /",
    )
    running = pier.spawn("build", "--progress", "plain", where, start_new_session=True)
    eventually(lambda: len(alive(long)) >= 2, "both steps run")
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
    eventually(lambda: not alive(long), "the steps are gone")
    settled(machine)


# --- clients ---


def test_the_docker_command_sees_it_too(machine: RunningEngine, tmp_path: Path, project: Path) -> None:
    """The classic client, on a failing step: its exit code is the step's."""
    docker = Docker(docker_program(), machine.host, tmp_path, "classic=1")
    where = dockerfile(project, "FROM box", "RUN exit 3")
    text = docker("build", where, code={1, 3}, env={"DOCKER_BUILDKIT": "0"}).err
    assert "returned a non-zero code: 3" in text
