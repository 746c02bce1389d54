"""Daemons of the tests' own, and commands that are not to become one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine, running_engine

SOURCE = str(Path(__file__).parents[3])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[RunningEngine]:
    with running_engine(tmp_path) as daemon:
        yield daemon


def pierd(*arguments: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run ``pierd`` to its end, which must come soon."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "pier.daemon.main", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )


def roots(folder: Path) -> list[str]:
    """Flags that keep a daemon which should not start away from any other."""
    return ["--data-root", str(folder / "data"), "--exec-root", str(folder / "run"), "-H", f"unix://{folder}/s"]
