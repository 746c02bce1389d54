"""COPY and ADD, a case a time (``copy_cases.py``): what Docker makes of each must come out here, to the last path."""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import pytest

from tests.compat.conftest import docker_program
from tests.compat.copy_cases import CASES, IGNORING
from tests.compat.copy_pictures import PICTURES, Picture, taking
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier

DOCKER: Final[dict[str, Picture]] = json.loads(PICTURES.read_text())

_ONE: Final = {"new": "dir 755 0:0 now", "new/one": DOCKER["several-onto-folder"]["dest/dir/one"]}

OTHERWISE: Final[Mapping[str, Picture]] = {
    # BuildKit has refused it since 0.14; the Docker that was asked ignores it, and the file is 0644
    "chmod-bad": {
        "error": "failed to solve: invalid chmod parameter: '9'. it should be octal string and between 0 and 07777"
    },
    # Docker unpacks xz where the program xz is installed, as its documentation has it; the one that was asked had none
    "add-xz": DOCKER["add-gz"],
    "add-glob": {path: line for path, line in DOCKER["add-glob"].items() if path != "new/plain.tar.xz"},
    # A pattern may match nothing; but where no step needs anything of its folder, Docker's client does not send the
    # folder, and it is missed. It would be there if only another step copied something of it.
    "glob-none": {},
    "glob-none-and-one": _ONE,
    "glob-escaped": {},
    # Docker's client does not say which
    "glob-bad": {"error": "failed to solve: syntax error in pattern: [x"},
}
"""Where Docker's way is not to be followed."""


@pytest.fixture(scope="module")
def taken(
    request: pytest.FixtureRequest, session_cli: Docker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Picture]]]:
    """The pictures of the cases that are asked for. A Docker is asked by the buildx of ``DOCKER_CONFIG``."""
    if os.environ.get("PIER_TEST_DOCKER_HOST"):
        builder = Docker(docker_program(), session_cli.host, Path(os.environ["DOCKER_CONFIG"]), session_cli.label)
    else:
        builder = Pier(session_cli.host, tmp_path_factory.mktemp("config"), session_cli.label)
    wanted = {str(item.name) for item in request.session.items}
    cases = [case for case in [*CASES, *IGNORING] if f"test_as_docker_copies_it[{case}]" in wanted]
    with taking(builder, session_cli, cases) as pictures:
        yield pictures


@pytest.mark.parametrize("case", [*CASES, *IGNORING])
def test_as_docker_copies_it(taken: dict[str, Future[Picture]], case: str) -> None:
    ours, theirs = taken[case].result(), OTHERWISE.get(case, DOCKER[case])
    assert {
        path: (ours.get(path), theirs.get(path)) for path in ours | theirs if ours.get(path) != theirs.get(path)
    } == {}
