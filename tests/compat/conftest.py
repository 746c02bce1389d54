"""The room where other people's clients meet the engine.

``PIER_TEST_DOCKER_HOST`` aims the same tests at any engine: that they pass on a real Docker is what
makes them worth passing. ``PIER_TEST_ENGINE_ROOT`` is where that engine's root directory lies, should it
live in a root of its own (bind mounts need folders that both sides see).
"""

import gc
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier
from tests.compat.rootfs import busybox_rootfs

IMAGE = "testbox"


@dataclass(frozen=True)
class Engine:
    """The engine under test: its address, and the folder that it takes for ``/``."""

    host: str
    root: Path


@dataclass(frozen=True)
class SharedFolder:
    """One folder under two names: ``here`` for the test, ``there`` for the engine."""

    here: Path
    there: str


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if host := os.environ.get("PIER_TEST_DOCKER_HOST"):
        yield Engine(host, Path(os.environ.get("PIER_TEST_ENGINE_ROOT", "/")))
        return
    from pier.testing.engine import running_engine

    with running_engine(tmp_path_factory.mktemp("engine")) as daemon:
        yield Engine(daemon.host, Path("/"))


def docker_program() -> str:
    program = shutil.which("docker")
    assert program, "the docker command is not installed: run scripts/setup --test"
    return program


@pytest.fixture(scope="session")
def session_cli(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    label = f"pier.test={uuid.uuid4().hex[:12]}"
    cli = Docker(docker_program(), engine.host, tmp_path_factory.mktemp("docker-config"), label)
    cli("import", "-c", 'CMD ["sh"]', "-", IMAGE, stdin=busybox_rootfs())
    yield cli
    remove_containers(cli)
    cli("rmi", "-f", IMAGE)


@pytest.fixture(scope="session")
def debian(session_cli: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of this name, made once. A Docker must have one, with apt sources that it can reach."""
    if not os.environ.get("PIER_TEST_DOCKER_HOST"):
        pier = Pier(session_cli.host, tmp_path_factory.mktemp("config"), session_cli.label)
        pier("image", "bootstrap", "debian", timeout=900)
    return "debian"


@pytest.fixture
def cli(session_cli: Docker) -> Iterator[Docker]:
    """The ``docker`` command; containers that the test leaves are removed after it."""
    yield session_cli
    remove_containers(session_cli)


def remove_containers(cli: Docker) -> None:
    """Most tests leave none: looking for them takes no command, which needs ten times as long as the engine."""
    with closing(docker.APIClient(base_url=cli.host, timeout=60)) as api:
        left = [each["Id"] for each in api.containers(all=True, filters={"label": cli.label})]
    if left:
        cli("rm", "-f", "-v", *left)


@pytest.fixture
def client(cli: Docker) -> Iterator[docker.DockerClient]:
    """docker-py, aimed at the same engine. Sockets of streams that were not read out are its garbage: swept here."""
    with closing(docker.DockerClient(base_url=cli.host, timeout=60)) as made:
        yield made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def labels(cli: Docker) -> dict[str, str]:
    """Labels by which the clean-up knows a container."""
    key, _, value = cli.label.partition("=")
    return {key: value}


@pytest.fixture
def name() -> str:
    """A name that nothing has yet."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def folder(engine: Engine) -> Iterator[SharedFolder]:
    here = Path(tempfile.mkdtemp(prefix="pier-test-", dir=engine.root / "var/tmp"))
    here.chmod(0o755)
    yield SharedFolder(here, "/" + str(here.relative_to(engine.root)))
    shutil.rmtree(here)
