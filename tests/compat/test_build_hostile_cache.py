"""``builder prune -af`` after builds of every kind: next to nothing is left, and the next build is right."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.hostile import assert_sound, dockerfile, engine_with_box, layers
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.system.build.gitserver import Project, git_daemon, web_server


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URLs of a file and of a repository."""
    folder = tmp_path / "served"
    (folder / "www").mkdir(parents=True)
    (folder / "www/file").write_text("over http\n")
    repository = Project(folder / "git")
    repository.commit(text="over git\n", Dockerfile="FROM box\nCOPY text /\n")
    repository.publish()
    with ExitStack() as stack:
        web, _ = stack.enter_context(web_server(folder / "www"))
        yield f"{web}/file", f"{stack.enter_context(git_daemon(folder / 'git'))}/repo.git"


def kept(engine: RunningEngine) -> list[str]:
    """What lies below the build root, but for the folders of its own that are empty."""
    root = engine.root / "build"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.parent != root)


def test_pruned_to_the_ground(tmp_path: Path, served: tuple[str, str]) -> None:
    url, repository = served
    project = tmp_path / "project"
    project.mkdir()
    (project / "text").write_text("a folder's\n")
    where = dockerfile(
        project,
        "FROM box",
        "COPY text /one",
        f"ADD {url} /two",
        f"ADD {repository} /git",
        "RUN --mount=type=cache,target=/c cat /one /two /git/text | tee /c/all >/all",
    )
    with engine_with_box(tmp_path / "engine") as engine:
        pier = Pier(engine.host, tmp_path / "config", "prune=1")
        docker = with_plugins(docker_program(), engine.host, tmp_path / "docker", "prune=1", ["docker-buildx"])
        before = layers(engine)
        for prune in ((pier, "builder"), (docker, "buildx")):
            build_all(pier, docker, where, repository)
            assert len(kept(engine)) > 20
            pier("rmi", "-f", "pier-made", "buildx-made", "classic-made", "git-made")
            assert "Total" in prune[0](prune[1], "prune", "-af").out
            assert kept(engine) == []
            assert layers(engine) == before
            assert_sound(engine, pier)


def build_all(pier: Docker, docker: Docker, where: str, repository: str) -> None:
    """With every client, of every kind of context."""
    pier("build", "-t", "pier-made", where)
    docker("buildx", "build", "-t", "buildx-made", where)
    pier("build", "-t", "git-made", repository)
    for name in ("pier-made", "buildx-made"):
        assert pier("run", "--rm", name, "cat", "/all").lines == ["a folder's", "over http", "over git"]
    assert pier("run", "--rm", "git-made", "cat", "/text").out == "over git"
    plain = {"DOCKER_BUILDKIT": "0"}
    docker("build", "-t", "classic-made", f"{repository}#main", env=plain)
    assert pier("run", "--rm", "classic-made", "cat", "/text").out == "over git"
