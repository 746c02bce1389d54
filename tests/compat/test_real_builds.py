"""What people build: packages from apt, npm and pip, a compiler, a web server; over the bridge, from real archives.

Each project builds, runs, and builds again from the cache. Where the engine is a Docker it must have an image
``debian`` with apt sources that it can reach.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.build_pictures import BUILDS
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.pier_cli import Pier
from tests.compat.test_builds import steps, uncached

LONG = 900.0
PACKAGES = ("node", "python", "gcc", "nginx")
ROOT = Path(__file__).resolve().parents[2]
PIER = "python3 -c 'import sys; from pier.cli.main import main; sys.exit(main())'"


@pytest.fixture(scope="module")
def builder(session_cli: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A command that builds, and on its engine the images that the projects begin from."""
    if os.environ.get("PIER_TEST_DOCKER_HOST"):
        made = Docker(docker_program(), session_cli.host, Path(os.environ["DOCKER_CONFIG"]), session_cli.label)
    else:
        made = Pier(session_cli.host, tmp_path_factory.mktemp("config"), session_cli.label)
        made("image", "bootstrap", "debian", timeout=LONG)
    for target in PACKAGES:
        made("build", "-q", "--target", target, "-t", target, str(BUILDS / "apt"), timeout=LONG)
    yield made
    made("rmi", "-f", *PACKAGES, *(f"real-{name}" for name in ("node", "python", "c", "nginx")))


def build(builder: Docker, name: str, project: Path | None = None) -> dict[str, bool]:
    """Build ``real-<name>``; returns the steps and whether each came from the cache."""
    where = str(project or BUILDS / name)
    return steps(builder("build", "--progress", "plain", "-t", f"real-{name}", where, timeout=LONG).err)


def answer(cli: Docker, container: str, port: int) -> str:
    """What the server in ``container`` says on its port, asked from the host."""
    address = cli("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container).out
    script = f"import urllib.request as r; print(r.urlopen('http://{address}:{port}/', timeout=5).read().decode())"
    asked = cli("run", "--rm", "python", "python3", "-c", script, code={0, 1})
    return asked.out


def test_packages_come_again_from_the_cache(builder: Docker) -> None:
    done = builder("build", "--progress", "plain", "--target", "node", str(BUILDS / "apt"), timeout=LONG)
    assert uncached(steps(done.err)) == set()


def test_apt_finds_what_it_fetched_before(builder: Docker, cli: Docker) -> None:
    """The cache mount keeps the packages: the same installation needs no network for them."""
    flags = ("--no-cache", "--target", "gcc", "-t", "real-again", "--progress", "plain")
    done = builder("build", *flags, str(BUILDS / "apt"), timeout=LONG)
    cli("rmi", "real-again")
    assert "Need to get 0 B/" in done.err


def test_node(builder: Docker, cli: Docker, tmp_path: Path) -> None:
    project = Path(shutil.copytree(BUILDS / "node", tmp_path / "node"))
    build(builder, "node", project)
    container = cli("run", "-d", "real-node").out
    assert "Hello from Express" in eventually(lambda: answer(cli, container, 80), "the answer")
    server = project / "server.js"
    server.write_text(server.read_text().replace("Hello", "Goodbye"))
    assert uncached(build(builder, "node", project)) == {"COPY . /app"}
    assert uncached(build(builder, "node", project)) == set()


def test_python(builder: Docker, cli: Docker) -> None:
    build(builder, "python")
    container = cli("run", "-d", "real-python").out
    assert "." in eventually(lambda: answer(cli, container, 8000), "the answer")
    eventually(lambda: cli("inspect", "-f", "{{.State.Health.Status}}", container).out == "healthy", "healthy")
    assert cli("exec", container, "id", "-un").out == "app"
    assert uncached(build(builder, "python")) == set()


def test_c(builder: Docker, cli: Docker) -> None:
    build(builder, "c")
    assert cli("run", "--rm", "real-c").out == "Hello $USER"
    assert uncached(build(builder, "c")) == set()


def test_nginx(builder: Docker, cli: Docker) -> None:
    build(builder, "nginx")
    container = cli("run", "-d", "real-nginx").out
    assert "It works" in eventually(lambda: answer(cli, container, 80), "the answer")
    eventually(lambda: '"GET / HTTP/1.1" 200' in cli("logs", container).out, "the log on standard output")
    cli("stop", container)
    assert cli("inspect", "-f", "{{.State.ExitCode}}", container).out == "0"
    assert uncached(build(builder, "nginx")) == set()


def test_in_a_container_that_has_only_the_socket(builder: Docker, cli: Docker) -> None:
    """The client's folder is one of the container's: the engine is handed the files, not a path."""
    socket = cli.host.removeprefix("unix://")
    mounts = ("-v", f"{socket}:/run/pier.sock", "-v", f"{ROOT}:/pier:ro")
    script = (
        "mkdir /project && cd /project && echo inside > file && "
        "printf 'FROM scratch\\nCOPY file /\\nCMD [\"/none\"]\\n' > Dockerfile && "
        f"{PIER} build -q -t real-inside . && {PIER} build -q -t real-inside ."
    )
    env = ("-e", "PYTHONPATH=/pier", "-e", "PYTHONDONTWRITEBYTECODE=1", "-e", "PIER_HOST=unix:///run/pier.sock")
    done = cli("run", "--rm", *mounts, *env, "python", "sh", "-ec", script)
    assert len(set(done.lines)) == 1
    container = cli("create", "real-inside").out
    assert b"inside" in cli("cp", f"{container}:/file", "-").stdout
    cli("rm", container)
    cli("rmi", "real-inside")
