"""Completion in a real bash, at a terminal: what TAB makes of a line."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import Engine
from tests.compat.docker_cli import Docker, Terminal
from tests.compat.pier_cli import PROGRAM

HOME, TAB = "\x01", "\t"


@pytest.fixture
def shell(engine: Engine, cli: Docker, tmp_path: Path) -> Iterator[Terminal]:
    environment = {
        "PATH": f"{PROGRAM.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PIER_HOST": engine.host,
        "PS1": "$ ",
        "TERM": "dumb",
    }
    bash = shutil.which("bash")
    assert bash, "bash is not installed"
    with Terminal([bash, "--norc", "--noprofile", "-i"], environment, 24, 200) as terminal:
        terminal.type("bind 'set bell-style none'; source <(pier completion bash); echo rea''dy\r")
        terminal.expect("ready")
        yield terminal


def completed(shell: Terminal, typed: str) -> str:
    """The line once TAB was pressed, as an ``echo`` before it shows it."""
    shell.type(f"{typed}{TAB}{HOME}echo '[['\r")
    return shell.expect(r"\n\[\[(.*)\r?\n")[1].strip()


@pytest.mark.parametrize("before", ["", "r.example:5000/team/"])
def test_names_with_colons(cli: Docker, shell: Terminal, name: str, before: str) -> None:
    image = f"{before}{name}:one"
    cli("tag", "testbox", image)
    try:
        for part in (image[: len(before) + 6], f"{before}{name}", f"{before}{name}:", f"{before}{name}:o"):
            assert completed(shell, f"pier rmi {part}") == f"pier rmi {image}"
        assert completed(shell, f"pier history --format=x {before}{name}:o") == f"pier history --format=x {image}"
    finally:
        cli("rmi", image)


def test_commands_and_flags(shell: Terminal) -> None:
    assert completed(shell, "pier image hist") == "pier image history"
    assert completed(shell, "pier pull --all") == "pier pull --all-tags"
    assert completed(shell, "pier load --inp") == "pier load --input"
