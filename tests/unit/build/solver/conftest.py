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


@pytest.fixture
def shop_of_250(tmp_path: Path) -> Iterator[Workshop]:
    """One whose cache may take 250 bytes."""
    made = Workshop(tmp_path, cache_max=250)
    yield made
    made.images.snapshots.close()
