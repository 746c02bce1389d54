"""``kill -9`` of the daemon at any point of a build: nothing is left of it, and the next build is right."""

import contextlib
import io
import os
import random
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.hostile import alive, assert_sound, dockerfile, engine_with_box, in_session, layers, seconds
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins

KILLS = 10
MARKER = f"marker-{seconds()}"
LINES = (
    "FROM box AS one",
    "ARG TURN",
    f"RUN --mount=type=cache,target=/cache : {MARKER} && seq 1000 > /cache/seq && cp /cache/seq /one",
    "RUN --mount=type=cache,target=/locked,sharing=locked dd if=/dev/zero of=/locked/big bs=1M count=8 2>/dev/null",
    "FROM box AS two",
    "COPY files /files",
    f"RUN : {MARKER} && cat /files/file* | sha256sum > /two",
    "ADD archive.tar /unpacked/",
    "FROM box",
    "WORKDIR /made",
    "COPY --from=one /one .",
    "COPY --link --from=two /two .",
    "COPY --from=two /unpacked /unpacked",
    "RUN cat one two > three",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "files").mkdir(parents=True)
    for number in range(300):
        (folder / "files" / f"file{number}").write_bytes(os.urandom(5000))
    with tarfile.open(folder / "archive.tar", "w") as tar:
        for number in range(200):
            info = tarfile.TarInfo(f"d{number % 7}/f{number}")
            info.size = 3000
            tar.addfile(info, io.BytesIO(os.urandom(3000)))
    dockerfile(folder, *LINES)
    return folder


def command(client: str, project: Path) -> tuple[str, ...]:
    start = ("buildx", "build") if client == "buildx" else ("build",)
    return (*start, "-q", "-t", "whole", str(project))


@pytest.mark.parametrize("client", ["pier", "buildx", "classic"])
def test_killed_at_any_point(tmp_path: Path, project: Path, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0" if client == "classic" else "1")
    if client == "classic":
        lines = [line for line in LINES if "cache" not in line]
        dockerfile(project, *(line.replace("--link ", "") for line in lines[:2]), "RUN seq 1000 > /one", *lines[2:])
    chance = random.Random(client)
    with engine_with_box(tmp_path / "engine") as engine:
        pier = Pier(engine.host, tmp_path / "config", "killed=1")
        cli: Docker = pier
        if client != "pier":
            cli = with_plugins(docker_program(), engine.host, tmp_path / "docker", "killed=1", ["docker-buildx"])
        before = layers(engine)
        begun = time.monotonic()
        cli(*command(client, project))
        lasts = time.monotonic() - begun
        for turn in range(KILLS):
            fresh = ["--no-cache"] if turn % 2 else []
            running = cli.spawn(*command(client, project), "--build-arg", f"TURN={turn}", *fresh)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(chance.uniform(0.02, lasts))
            killed(engine, running)
            assert_sound(engine, pier)
        cli(*command(client, project))
        check(pier, project)
        pier("rmi", "-f", "whole")
        pier("system", "prune", "-f")
        pier("builder", "prune", "-af")
        assert layers(engine) == before
        assert_sound(engine, pier)


def killed(engine: RunningEngine, running: "subprocess.Popen[bytes]") -> None:
    """Kill the daemon and start it again; what it ran is gone."""
    leader = engine.pid
    engine.kill()
    running.communicate(timeout=60)
    engine.start()
    eventually(lambda: not in_session(leader) and not alive(MARKER), "nothing of the killed daemon runs")


def check(pier: Docker, project: Path) -> None:
    """Cached or made again: what was built is what was asked for."""
    texts = sorted((project / "files").iterdir(), key=lambda path: path.name)
    digest = subprocess.run(["sha256sum"], input=b"".join(each.read_bytes() for each in texts), capture_output=True)
    lines = pier("run", "--rm", "whole", "cat", "/made/three").lines
    assert lines == [*(str(number) for number in range(1, 1001)), digest.stdout.decode().strip()]
    with tarfile.open(project / "archive.tar") as tar:
        wanted = sorted(f"/unpacked/{info.name}" for info in tar)
    assert sorted(pier("run", "--rm", "whole", "find", "/unpacked", "-type", "f").lines) == wanted
