"""A workshop for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.build.solver.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.images.snapshots.close()
