"""How the runtime's program is started by a supervisor."""

from pathlib import Path

import pytest

from pier.runtime.program import Program
from pier.runtime.runtime import Stdio


def program(folder: Path, name: str, version: str) -> Program:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {name} version {version}\n")
    path.chmod(0o755)
    return Program(path, folder / "state")


@pytest.mark.parametrize(
    ("name", "version", "stdio", "foreign", "script"),
    [
        ("crun", "1.8.1", Stdio(), False, None),
        ("crun", "1.8.1", Stdio(), True, 'exec "$0" "$@" <<end\nend'),
        ("crun", "1.8.1", Stdio(terminal=True, stdin=True), True, 'exec "$0" "$@" >&2 <<end\nend'),
        ("crun", "1.8.1", Stdio(stdin=True), True, None),
        ("crun", "1.24", Stdio(), True, None),
        ("runc", "1.1.5", Stdio(), True, None),
    ],
)
def test_old_cruns_are_kept_from_the_host_s_devices(
    tmp_path: Path, name: str, version: str, stdio: Stdio, foreign: bool, script: str | None
) -> None:
    tested = program(tmp_path, name, version)
    command, options = tested.command(stdio, foreign=foreign)
    if script is None:
        assert (command, options) == (tested.executable(), tested.options())
    else:
        assert (command, options) == ("/bin/sh", ["-c", script, tested.executable(), *tested.options()])
    tested.close()
