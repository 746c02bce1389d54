"""Builds that are known to the last path: what Docker made of them (``builds/*.json``) is what must come out here."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.build_pictures import BASE, BUILDS, EXACT, build, picture
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier


@pytest.fixture(scope="module")
def builder(session_cli: Docker, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    """``pier``; the ``docker`` command, with the buildx of ``DOCKER_CONFIG``, where the engine is a Docker."""
    if os.environ.get("PIER_TEST_DOCKER_HOST"):
        return Docker(docker_program(), session_cli.host, Path(os.environ["DOCKER_CONFIG"]), session_cli.label)
    return Pier(session_cli.host, tmp_path_factory.mktemp("config"), session_cli.label)


@pytest.fixture
def tag(name: str, cli: Docker) -> Iterator[str]:
    yield name
    cli("rmi", "-f", name)


def parts(image: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every fact on a line of its own, so that a failure shows what differs and nothing else."""
    for key, value in image.items():
        if isinstance(value, dict):
            yield from ((f"{key}: {name}", inner) for name, inner in value.items())
        else:
            yield key, value


@pytest.mark.parametrize("case", EXACT)
def test_as_docker_builds_it(builder: Docker, cli: Docker, tag: str, case: str) -> None:
    build(builder, case, tag)
    ours, theirs = (
        dict(parts(each)) for each in (picture(cli, tag), json.loads((BUILDS / f"{case}.json").read_text()))
    )
    assert {key: (ours.get(key), theirs.get(key)) for key in ours | theirs if ours.get(key) != theirs.get(key)} == {}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the copies project: files that can be changed."""
    return Path(shutil.copytree(BUILDS / "monorepo", tmp_path / "monorepo", symlinks=True))


def steps(output: str) -> dict[str, bool]:
    """The steps that plain progress tells of, and whether each came from the cache."""
    names = dict(re.findall(r"^#(\d+) (\[.*)$", output, re.M))
    cached = set(re.findall(r"^#(\d+) CACHED", output, re.M))
    return {name: number in cached for number, name in names.items() if "internal" not in name}


def built(builder: Docker, project: Path, tag: str, *flags: str) -> dict[str, bool]:
    done = builder("build", "--progress", "plain", "-t", tag, "--build-arg", f"BASE={BASE}", *flags, str(project))
    return steps(done.err)


def uncached(found: dict[str, bool]) -> set[str]:
    return {name.partition("] ")[2] for name, cached in found.items() if not cached and "FROM" not in name}


def test_again_is_all_cached_and_the_same_image(builder: Docker, cli: Docker, tag: str, project: Path) -> None:
    built(builder, project, tag, "--no-cache")
    first = cli("image", "inspect", "-f", "{{.Id}}", tag).out
    found = built(builder, project, tag)
    assert uncached(found) == set()
    assert cli("image", "inspect", "-f", "{{.Id}}", tag).out == first
    assert not any("unused" in name for name in found)


def test_only_what_follows_a_changed_file_runs_again(builder: Docker, tag: str, project: Path) -> None:
    built(builder, project, tag)
    (project / "services/web/web.txt").write_text(f"changed for {tag}\n")
    ran = uncached(built(builder, project, tag))
    assert ran == {
        "COPY services/web .",
        "RUN cat /libs/* web.txt > /web",
        "COPY --from=web --chmod=640 /web /srv/",
        "COPY --from=web /libs/ /srv/libs/",
    }


def test_new_times_and_files_that_no_step_reads_change_nothing(builder: Docker, tag: str, project: Path) -> None:
    built(builder, project, tag)
    (project / "tools/other.txt").write_text("excluded\n")
    (project / "unread.txt").write_text("not copied\n")
    os.utime(project / "services/web/web.txt", (1, 1))
    assert uncached(built(builder, project, tag)) == set()


def test_an_argument_runs_again_what_comes_after_it(builder: Docker, tag: str, project: Path) -> None:
    built(builder, project, tag)
    ran = uncached(built(builder, project, tag, "--build-arg", f"VERSION={tag}"))
    assert f'RUN cat /libs/core api.txt > /api && echo "{tag}" >> /api' in ran
    assert "COPY services/api ." not in ran
