"""What the classic builder refuses, in the words that its users know."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier

CLASSIC = {"DOCKER_BUILDKIT": "0"}
SEVERAL = "When using {} with more than one source file, the destination must be a directory and end with a /"
OWNER = "unable to convert uid/gid chown string to host mapping: "
NOTHING = "{} failed: no source files were specified"

REFUSED = [
    ("COPY a b /x", SEVERAL.format("COPY")),
    ('ADD ["a", "b", "/x"]', SEVERAL.format("ADD")),
    ("COPY [ab] /x", SEVERAL.format("COPY")),
    ("COPY a b .", SEVERAL.format("COPY")),
    ("ARG to=/x\nCOPY a b $to", SEVERAL.format("COPY")),
    ("COPY zz* /x/", NOTHING.format("COPY")),
    ("ADD zz* yy* /x", NOTHING.format("ADD")),
    ("COPY --chown=nobodyx a /x", OWNER + "can't find uid for user nobodyx: no such user: nobodyx"),
    ("COPY --chown=0:nogrp a /x", OWNER + "can't find gid for group nogrp: no such group: nogrp"),
    (
        "RUN echo joe:x:77:77::/:/bin/sh >> /etc/passwd\nCOPY --chown=joe a /x",
        OWNER + "can't find gid for group joe: no such group: joe",
    ),
    ("COPY --from=3 a /x", "invalid from flag value 3: index out of bounds"),
    ("COPY --zz a /x", "unknown flag: zz"),
]

ALLOWED = ["COPY a b /x/", "COPY a* /x", "COPY a zz* /x", "COPY d /x", "COPY --chown=root a /x", "COPY --chown=7 a /x"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    for name in ("a", "b", "d/e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    yield tmp_path


@pytest.mark.parametrize(("instructions", "message"), REFUSED)
def test_copies_that_are_refused(cli: Docker, folder: Path, instructions: str, message: str) -> None:
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n{instructions}\n")
    failed = cli("build", str(folder), code=1, env=CLASSIC)
    assert failed.err.splitlines()[-1].endswith(message)


@pytest.mark.parametrize("instruction", ALLOWED)
def test_copies_that_are_not(cli: Docker, folder: Path, instruction: str) -> None:
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n{instruction}\n")
    image = cli("build", "-q", str(folder), env=CLASSIC).out
    cli("rmi", "-f", image)


def test_a_build_that_is_not_classic_is_not_refused_and_leaves_nothing_for_one_that_is(
    cli: Docker, folder: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nENV only={name}\nCOPY zz* /x/\n")
    Pier(cli.host, tmp_path_factory.mktemp("pier-config"), cli.label)("build", "-q", "-t", name, str(folder))
    cli("rmi", "-f", name)
    failed = cli("build", str(folder), code=1, env=CLASSIC)
    assert failed.err.endswith(NOTHING.format("COPY"))
