"""An engine's parts without the engine: for operations of builds, one at a time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.testing.buildsteps import Steps, build_steps
from tests.compat.rootfs import busybox_rootfs


@pytest.fixture
async def steps(tmp_path: Path) -> AsyncIterator[Steps]:
    """With a base of busybox; whatever a test leaves is an error."""
    async with build_steps(tmp_path / "engine", busybox_rootfs()) as made:
        yield made
        assert made.left() == []
