"""What people build: packages from apt, npm and pip, a compiler, a web server; over the bridge, from real archives.

Each project builds, runs, builds again from the cache, and is what Docker made of it (``builds/real``, taken by
``build_compare``). See the fixture ``debian`` for where the engine is a Docker.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.compat.conftest import Engine, SharedFolder, docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.compat.real_builds import PACKAGES, PROJECTS, picture, picture_file, prepared, without_syntax
from tests.compat.test_builds import parts, steps, uncached

LONG = 900.0
MADE_FROM = {"node": "node", "python": "python", "gcc": "c", "nginx": "nginx"}
"""Of each of the packages one project, built as soon as they are there."""
ROOT = Path(__file__).resolve().parents[2]
PIER = "python3 -c 'import sys; from pier.cli.main import main; sys.exit(main())'"


@pytest.fixture(scope="module")
def builder(session_cli: Docker, debian: str, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    """A command that builds, on an engine with the image that all others begin from."""
    if os.environ.get("PIER_TEST_DOCKER_HOST"):
        return Docker(docker_program(), session_cli.host, Path(os.environ["DOCKER_CONFIG"]), session_cli.label)
    return Pier(session_cli.host, tmp_path_factory.mktemp("config"), session_cli.label)


@pytest.fixture(scope="module")
def projects(builder: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """All of them, built as ``real-<name>``, four at a time: where their folders are."""
    folder = tmp_path_factory.mktemp("projects")
    found = {name: prepared(name, folder) for name in (*PROJECTS, "apt")}
    if not isinstance(builder, Pier):
        without_syntax(found["apt"])
    with ThreadPoolExecutor(len(PACKAGES)) as pool:
        list(pool.map(partial(begun, builder, found), PACKAGES))
    yield found
    builder("rmi", "-f", *PACKAGES, *(f"real-{name}" for name in PROJECTS))


def begun(builder: Docker, found: dict[str, Path], package: str) -> None:
    builder("build", "-q", "--target", package, "-t", package, str(found["apt"]), timeout=LONG)
    build(builder, MADE_FROM[package], found[MADE_FROM[package]])


def build(builder: Docker, name: str, project: Path) -> dict[str, bool]:
    """Build ``real-<name>``; returns the steps and whether each came from the cache."""
    return steps(builder("build", "--progress", "plain", "-t", f"real-{name}", str(project), timeout=LONG).err)


def answer(cli: Docker, container: str, port: int) -> str:
    """What the server in ``container`` says on its port, asked from the host."""
    address = cli("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container).out
    script = f"import urllib.request as r; print(r.urlopen('http://{address}:{port}/', timeout=5).read().decode())"
    asked = cli("run", "--rm", "python", "python3", "-c", script, code={0, 1})
    return asked.out


@pytest.mark.parametrize("name", [*PROJECTS, *(f"apt-{package}" for package in PACKAGES)])
def test_as_docker_builds_it(projects: dict[str, Path], cli: Docker, name: str) -> None:
    made = picture(cli, f"real-{name}" if name in PROJECTS else name.removeprefix("apt-"), name)
    ours, theirs = (dict(parts(each)) for each in (made, json.loads(picture_file(name).read_text())))
    assert {key: (ours.get(key), theirs.get(key)) for key in ours | theirs if ours.get(key) != theirs.get(key)} == {}


def test_packages_come_again_from_the_cache(builder: Docker, projects: dict[str, Path]) -> None:
    done = builder("build", "--progress", "plain", "--target", "node", str(projects["apt"]), timeout=LONG)
    assert uncached(steps(done.err)) == set()


def test_apt_finds_what_it_fetched_before(
    builder: Docker, projects: dict[str, Path], cli: Docker, tmp_path: Path, name: str
) -> None:
    """The cache mounts keep the packages. Another command, because with --no-cache Docker begins them anew."""
    project = Path(shutil.copytree(projects["apt"], tmp_path / "apt"))
    dockerfile = project / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("apt-get update", f": {name}; apt-get update"))
    flags = ("--target", "gcc", "-t", "real-again", "--progress", "plain")
    done = builder("build", *flags, str(project), timeout=LONG)
    cli("rmi", "real-again")
    assert "Need to get 0 B/" in done.err


def layers(cli: Docker, image: str) -> list[str]:
    found: list[str] = json.loads(cli("image", "inspect", "-f", "{{json .RootFS.Layers}}", image).out)
    return found


def test_node(builder: Docker, projects: dict[str, Path], cli: Docker, tmp_path: Path, name: str) -> None:
    container = cli("run", "-d", "real-node").out
    assert "Hello from Express" in eventually(lambda: answer(cli, container, 80), "the answer")
    project = Path(shutil.copytree(projects["node"], tmp_path / "node"))
    server = project / "server.js"
    server.write_text(server.read_text().replace("Hello", f"Goodbye {name}"))
    assert uncached(build(builder, "node-changed", project)) == {"COPY . /app"}
    assert uncached(build(builder, "node-changed", project)) == set()
    container = cli("run", "-d", "real-node-changed").out
    assert f"Goodbye {name} from Express" in eventually(lambda: answer(cli, container, 80), "the answer")
    assert uncached(build(builder, "node", projects["node"])) == set()
    cli("rm", "-f", container)
    cli("rmi", "real-node-changed")


@pytest.mark.parametrize("kind", ["pier", "buildx", "classic"])
def test_node_as_beginners_are_taught(
    builder: Docker, projects: dict[str, Path], cli: Docker, tmp_path: Path, kind: str, name: str
) -> None:
    """``docker build .``, run by the ID; ``-t NAME:TAG``; what follows a changed layer, and only that, runs again."""
    buildx = with_plugins(docker_program(), cli.host, tmp_path / "config", cli.label, ["docker-buildx"])
    client = {"pier": builder, "buildx": buildx, "classic": cli}[kind]
    env = {"DOCKER_BUILDKIT": "0"} if kind == "classic" else {}
    project = Path(shutil.copytree(projects["node"], tmp_path / "node"))
    dockerfile = project / "Dockerfile"
    taught = dockerfile.read_text().replace("# First", "# 바뀐 layer만: first").replace("/app\n", "/app \n")
    dockerfile.write_text(taught)
    first = client("build", "-q", str(project), env=env, timeout=LONG).out
    container = cli("run", "-d", first).out
    assert "Hello from Express" in eventually(lambda: answer(cli, container, 80), "the answer")
    client("build", "-t", f"guestbook:{kind}", str(project), env=env, timeout=LONG)
    assert cli("images", "-q", "--no-trunc", f"guestbook:{kind}").out == first
    package = project / "package.json"
    package.write_text(package.read_text().replace("1.0.0", f"1.0.0-{name}"))
    again = client("build", "-t", f"guestbook:{kind}", str(project), env=env, timeout=LONG).out
    before, after = layers(cli, first), layers(cli, f"guestbook:{kind}")
    assert before[:-3] == after[:-3] and not set(before[-3:]) & set(after[-3:])
    assert kind != "classic" or again.count("Using cache") == 1
    cli("rm", "-f", container)
    cli("rmi", "-f", f"guestbook:{kind}", first)


def test_python(builder: Docker, projects: dict[str, Path], cli: Docker) -> None:
    container = cli("run", "-d", "real-python").out
    assert "." in eventually(lambda: answer(cli, container, 8000), "the answer")
    eventually(lambda: cli("inspect", "-f", "{{.State.Health.Status}}", container).out == "healthy", "healthy")
    assert cli("exec", container, "id", "-un").out == "app"
    assert uncached(build(builder, "python", projects["python"])) == set()


def test_c(builder: Docker, projects: dict[str, Path], cli: Docker) -> None:
    assert cli("run", "--rm", "real-c").out == "Hello $USER"
    assert uncached(build(builder, "c", projects["c"])) == set()


def test_nginx(builder: Docker, projects: dict[str, Path], cli: Docker) -> None:
    container = cli("run", "-d", "real-nginx").out
    assert "It works" in eventually(lambda: answer(cli, container, 80), "the answer")
    eventually(lambda: '"GET / HTTP/1.1" 200' in cli("logs", container).out, "the log on standard output")
    cli("stop", container)
    assert cli("inspect", "-f", "{{.State.ExitCode}}", container).out == "0"
    assert uncached(build(builder, "nginx", projects["nginx"])) == set()


@pytest.fixture
def tools(folder: SharedFolder) -> SharedFolder:
    """The docker command and buildx, for a container."""
    buildx = with_plugins(docker_program(), "", folder.here, "", ["docker-buildx"])
    shutil.copy(buildx.argv()[0], folder.here / "docker")
    plugin = folder.here / "cli-plugins/docker-buildx"
    found = plugin.resolve()
    plugin.unlink()
    shutil.copy(found, plugin)
    return folder


def inside(engine: Engine, cli: Docker, build: str, *args: str) -> None:
    """``build`` and again from the cache, in a container: its client's folder is not one that the engine sees."""
    socket = "/" + str(Path(cli.host.removeprefix("unix://")).relative_to(engine.root))
    script = (
        "mkdir /project && cd /project && echo inside > file && "
        "printf 'FROM scratch\\nCOPY file /\\nCMD [\"/none\"]\\n' > Dockerfile && "
        f"{build} -q -t real-inside . && {build} -q -t real-inside ."
    )
    done = cli("run", "--rm", "-v", f"{socket}:/run/engine.sock", *args, "python", "sh", "-ec", script)
    assert len(set(done.lines)) == 1 == len(done.lines) - 1
    container = cli("create", "real-inside").out
    assert b"inside" in cli("cp", f"{container}:/file", "-").stdout
    cli("rm", container)
    cli("rmi", "real-inside")


@pytest.mark.parametrize("buildkit", ["1", "0"])
def test_docker_in_a_container_that_has_only_the_socket(
    projects: dict[str, Path], engine: Engine, cli: Docker, tools: SharedFolder, buildkit: str
) -> None:
    env = ("DOCKER_HOST=unix:///run/engine.sock", "DOCKER_CONFIG=/tools", f"DOCKER_BUILDKIT={buildkit}")
    flags = [word for each in env for word in ("-e", each)]
    inside(engine, cli, "/tools/docker build", *flags, "-v", f"{tools.there}:/tools")


def test_pier_in_a_container_that_has_only_the_socket(projects: dict[str, Path], engine: Engine, cli: Docker) -> None:
    env = ("PIER_HOST=unix:///run/engine.sock", "PYTHONPATH=/pier", "PYTHONDONTWRITEBYTECODE=1")
    flags = [word for each in env for word in ("-e", each)]
    inside(engine, cli, f"{PIER} build", *flags, "-v", f"{ROOT}:/pier:ro")
