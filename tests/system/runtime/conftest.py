"""Real containers of a busybox, with crun and with runc, in groups and folders of the tests' own."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pier.linux import cgroup
from pier.runtime import bundle as bundles_of
from pier.runtime.host import host_facts
from pier.runtime.local import LocalRuntime
from pier.runtime.plan import HostFacts, SpecPlan
from pier.runtime.select import select_runtime
from pier.runtime.spec import build_spec

ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)


@pytest.fixture(scope="session")
def rootfs() -> Iterator[Path]:
    """A root folder with busybox under all its names, where a user namespace's root finds it, too."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "install the package busybox-static"
    root = Path(tempfile.mkdtemp(prefix="pier-rootfs-", dir="/var/tmp"))
    root.chmod(0o755)
    for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "work"):
        (root / folder).mkdir()
    shutil.copy(busybox, root / "bin/busybox")
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "bin/not-executable").write_text("nothing\n")
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def run_root() -> Iterator[Path]:
    """A daemon's run folder."""
    folder = Path(f"/run/pier-test-{secrets.token_hex(4)}")
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def runtime_name() -> str:
    return "crun"


@pytest.fixture
async def runtime(runtime_name: str, run_root: Path) -> AsyncIterator[LocalRuntime]:
    selected = await select_runtime(runtime_name, run=run_root)
    yield selected
    left = selected.known()
    for id in left:
        await selected.delete(id, force=True)
    await selected.close()
    assert left == [], "the test left containers behind"


@pytest.fixture
def host(runtime: LocalRuntime) -> HostFacts:
    return host_facts(runtime.trees)


class BundleMaker:
    """Makes bundles; calling it makes one of a plan that only says what is to run."""

    def __init__(self, rootfs: Path, folder: Path, prefix: str, host: HostFacts) -> None:
        self._rootfs = rootfs
        self._folder = folder
        self._prefix = prefix
        self.host = host

    def __call__(self, *args: str, terminal: bool = False, **plan: Any) -> tuple[str, Path]:
        id = secrets.token_hex(8)
        plan.setdefault("env", ENVIRONMENT)
        wanted = SpecPlan(args=args, rootfs=self._rootfs, cgroup_path=self.group(id), terminal=terminal, **plan)
        return id, self.write(id, wanted)

    def group(self, id: str) -> str:
        """The cgroup of the container ``id``."""
        return f"{self._prefix}/{id}"

    def write(self, id: str, plan: SpecPlan) -> Path:
        bundle = self._folder / id
        bundles_of.write(bundle, build_spec(replace(plan), self.host))
        return bundle


@pytest.fixture
def bundles(rootfs: Path, run_root: Path, host: HostFacts) -> Iterator[BundleMaker]:
    prefix = f"/pier-test-{os.getpid()}"
    yield BundleMaker(rootfs, run_root / "containers", prefix, host)
    cgroup.remove(cgroup.detect(), prefix)
