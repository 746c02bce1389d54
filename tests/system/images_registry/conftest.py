"""Images in a data root of their own, and the registries to push them to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.images.deps import Images
from pier.remote.client import Registries
from pier.remote.settings import Settings
from pier.testing.images import Told, make_images


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return make_images(tmp_path / "one")


@pytest.fixture
def others(tmp_path: Path) -> Images:
    """A second data root: another machine."""
    return make_images(tmp_path / "two")


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    made = Registries(Settings(first_delay=0.001, longest_delay=0.5, stall_timeout=60, ping_timeout=60))
    yield made
    await made.close()
