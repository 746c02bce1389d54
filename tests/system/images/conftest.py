"""An image store in a data root of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.images.deps import Images
from pier.testing.images import Told, make_images


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    made = make_images(tmp_path / "one")
    yield made
    made.snapshots.close()
    made.content.close()


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Images]:
    """A second data root: another machine."""
    made = make_images(tmp_path / "two")
    yield made
    made.snapshots.close()
    made.content.close()
