"""A shell where a step has failed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.build.steps.errorshell import FailedStep
from pier.build.steps.failed import StepFailed
from pier.testing.buildsteps import Keeper, Steps, build_steps
from tests.compat.rootfs import busybox_rootfs


class Curious(Keeper):
    """Types into the shell of each step that fails."""

    def __init__(self, typed: bytes) -> None:
        super().__init__()
        self.typed = typed
        self.seen = b""
        self.code = -1

    async def failed_step(self, failed: FailedStep) -> None:
        async with failed.shell() as shell:
            await shell.resize(100, 30)
            await shell.stream.write(self.typed)
            async with asyncio.timeout(60):
                while piece := await shell.stream.read():
                    self.seen += piece[1]
            self.code = await shell.wait()


@pytest.fixture
async def steps(tmp_path: Path) -> AsyncIterator[Steps]:
    async with build_steps(tmp_path, busybox_rootfs()) as made:
        yield made
        assert made.left() == []


@pytest.mark.parametrize("before", ["true", "rm /bin/sh"])
async def test_what_the_step_left_is_there(steps: Steps, before: str) -> None:
    steps.client = client = Curious(b"cat /left\nexit 5\n")
    with pytest.raises(StepFailed, match="exit code: 3"):
        await steps.run(f"echo here-it-is >/left; {before}; exit 3", request={"error_shell": True})
    assert b"here-it-is" in client.seen
    assert client.code == 5


async def test_only_when_asked_for(steps: Steps) -> None:
    steps.client = client = Curious(b"exit\n")
    with pytest.raises(StepFailed):
        await steps.run("exit 3")
    assert client.code == -1
