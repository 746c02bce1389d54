"""``docker buildx bake``: several targets at once, and targets that begin where others end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE, Engine, docker_program
from tests.compat.docker_cli import Docker
from tests.compat.plugins import with_plugins


@pytest.fixture(scope="module")
def buildx(session_cli: Docker, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    config = tmp_path_factory.mktemp("bake-config")
    return with_plugins(docker_program(), engine.host, config, session_cli.label, ["docker-buildx"])


@pytest.fixture
def image(cli: Docker, name: str) -> Iterator[str]:
    yield name
    cli("rmi", "-f", f"{name}:a", f"{name}:b", code={0, 1})


def bake(buildx: Docker, folder: Path, targets: dict[str, object], *args: str) -> str:
    (folder / "bake.json").write_text(json.dumps({"target": targets}))
    return buildx("buildx", "bake", "--progress", "plain", "-f", str(folder / "bake.json"), *args, timeout=120).err


def test_two_targets(buildx: Docker, cli: Docker, image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nARG WHAT\nRUN echo $WHAT {image} >/what\nCMD cat /what\n")
    targets: dict[str, object] = {
        each: {"context": str(tmp_path), "args": {"WHAT": each}, "tags": [f"{image}:{each}"]} for each in "ab"
    }
    bake(buildx, tmp_path, targets, "a", "b")
    assert [cli("run", "--rm", f"{image}:{each}").out for each in "ab"] == [f"a {image}", f"b {image}"]


def test_a_target_on_top_of_another(buildx: Docker, cli: Docker, image: str, tmp_path: Path) -> None:
    (tmp_path / "below").write_text(f"FROM {IMAGE}\nENV FROM_BELOW={image}\nRUN echo below {image} >/below\n")
    (tmp_path / "above").write_text("FROM base\nRUN test -n $FROM_BELOW\nCMD cat /below && echo $FROM_BELOW\n")
    targets: dict[str, object] = {
        "below": {"context": str(tmp_path), "dockerfile": "below", "tags": [f"{image}:b"]},
        "above": {
            "context": str(tmp_path),
            "dockerfile": "above",
            "contexts": {"base": "target:below"},
            "tags": [f"{image}:a"],
        },
    }
    bake(buildx, tmp_path, targets, "above")
    assert cli("run", "--rm", f"{image}:a").lines == [f"below {image}", image]
    assert cli("run", "--rm", f"{image}:b", "cat", "/below").out == f"below {image}"


def test_the_plan_is_printed(buildx: Docker, tmp_path: Path) -> None:
    (tmp_path / "bake.json").write_text(json.dumps({"target": {"default": {"context": "."}}}))
    shown = buildx("buildx", "bake", "--print", "-f", str(tmp_path / "bake.json")).out
    assert json.loads(shown)["target"]["default"]["context"] == "."
