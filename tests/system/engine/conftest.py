"""Whole daemons for tests that kill theirs, or need two; driven by the ``docker`` command."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine, running_engine
from tests.compat.conftest import IMAGE, docker_program
from tests.compat.docker_cli import Docker
from tests.compat.rootfs import busybox_rootfs


@dataclass(frozen=True)
class Host:
    """A daemon, and the ``docker`` command that speaks to it; ``box`` is a busybox image."""

    daemon: RunningEngine
    cli: Docker


Start = Callable[[], Host]


@pytest.fixture(scope="module")
def start_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a daemon of its own at each call; all are removed at the end of the module."""
    with ExitStack() as stack:

        def start() -> Host:
            folder: Path = tmp_path_factory.mktemp("engine")
            daemon = stack.enter_context(running_engine(folder))
            daemon.import_image(busybox_rootfs(), IMAGE, 'CMD ["sh"]')
            return Host(daemon, Docker(docker_program(), daemon.host, folder, "pier.test=system"))

        yield start
