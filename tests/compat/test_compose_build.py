"""``docker compose build`` and ``up --build``: Compose drives BuildKit's protocol itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE, Engine, docker_program
from tests.compat.docker_cli import Docker
from tests.compat.plugins import with_plugins

PROJECT = """\
services:
  web:
    build:
      context: web
      args: {{WHAT: {name}}}
      labels: {{made.by: compose}}
    image: {name}:web
    network_mode: none
  worker:
    build:
      context: web
      dockerfile_inline: |
        FROM {base}
        COPY what /from-context
        RUN --mount=type=secret,id=s cat /run/secrets/s | wc -c >/size
        CMD cat /from-context /size
      secrets: [s]
    image: {name}:worker
    network_mode: none
secrets:
  s:
    file: ./s
"""


@pytest.fixture(scope="module")
def client(session_cli: Docker, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    config = tmp_path_factory.mktemp("compose-config")
    names = ["docker-buildx", "docker-compose"]
    return with_plugins(docker_program(), engine.host, config, session_cli.label, names)


@pytest.fixture
def project(client: Docker, cli: Docker, tmp_path: Path, name: str) -> Iterator[Path]:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/what").write_text(f"{name}\n")
    (tmp_path / "web/Dockerfile").write_text(f"FROM {IMAGE}\nARG WHAT\nRUN echo $WHAT >/what\nCMD cat /what\n")
    (tmp_path / "s").write_text("12345")
    (tmp_path / "compose.yaml").write_text(PROJECT.format(name=name, base=IMAGE))
    yield tmp_path
    client("compose", "-p", name, "-f", str(tmp_path / "compose.yaml"), "down", "-v", "--timeout", "1", timeout=120)
    cli("rmi", "-f", f"{name}:web", f"{name}:worker", code={0, 1})


def test_build_and_up(client: Docker, cli: Docker, project: Path, name: str) -> None:
    compose = ["compose", "-p", name, "-f", str(project / "compose.yaml")]
    client(*compose, "build", timeout=120)
    assert cli("run", "--rm", f"{name}:web").out == name
    assert cli("run", "--rm", f"{name}:worker").lines == [name, "5"]
    assert cli("image", "inspect", "-f", '{{index .Config.Labels "made.by"}}', f"{name}:web").out == "compose"
    (project / "web/what").write_text("changed\n")
    client(*compose, "up", "--build", "-d", timeout=120)
    client(*compose, "wait", "worker", code={0, 1}, timeout=120)
    assert "changed" in client(*compose, "logs", "worker").out


def test_one_service(client: Docker, cli: Docker, project: Path, name: str) -> None:
    shown = client("compose", "-p", name, "-f", str(project / "compose.yaml"), "build", "--progress", "plain", "web")
    assert "[web 2/2] RUN echo" in shown.out + shown.err
    cli("image", "inspect", f"{name}:worker", code=1)


def test_a_failing_build(client: Docker, project: Path, name: str) -> None:
    (project / "web/Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo {name}; exit 4\n")
    file = str(project / "compose.yaml")
    result = client("compose", "-p", name, "-f", file, "build", "web", code={1, 17})
    assert "did not complete successfully: exit code: 4" in result.err
