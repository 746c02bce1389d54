"""Base images made on the host. Debian itself is made in the demo: here its plan, its failures and the small ones."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from pier.errors import InvalidArgument, NotFound, Unsupported
from pier.images import debootstrap
from pier.images.bootstrap import bootstrap
from pier.images.debootstrap import Bootstrapping, Plan
from pier.images.deps import Images
from pier.linux import process
from pier.oci.reference import parse_reference
from pier.testing.images import Told, layers_left


async def test_hello_world_says_hello(images: Images, told: Told) -> None:
    image = await bootstrap(images, "hello-world", told)
    assert image.config.config.cmd == ["/hello"]
    assert images.store.resolve(parse_reference("hello-world:latest")) == image.id
    assert image.size < 1000
    said = await process.run([images.snapshots.layer(image.chain_ids[0]).root / "hello"])
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.startswith(b"\nHello from Pier")
    assert told[-1] == {"status": "Status: Bootstrapped hello-world:latest"}


async def test_busybox_has_its_applets(images: Images, told: Told) -> None:
    image = await bootstrap(images, "busybox:latest", told)
    root = images.snapshots.layer(image.chain_ids[0]).root
    assert os.readlink(root / "bin" / "sh") == "busybox"
    assert len(list((root / "bin").iterdir())) > 100


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nonsense", "cannot bootstrap nonsense: it is debian"),
        ("hello-world:v2", "hello-world has no suites"),
        ("debian:../../etc", "invalid suite"),
        ("debian:a b", "invalid suite"),
        ("debian:", None),
    ],
)
async def test_names(images: Images, told: Told, name: str, text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    expected = (InvalidArgument, text) if text else (Unsupported, "apt-get is not there")
    with pytest.raises(expected[0], match=expected[1]):
        await bootstrap(images, name, told)
    assert list(images.tmp.iterdir()) == []


async def test_the_plan_carries_the_host_s_apt_settings(tmp_path: Path) -> None:
    decided = await debootstrap.plan("debian", "", tmp_path)
    listed = await process.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
    assert {source.uri for source in decided.sources} <= set(listed.stdout.decode().split())
    assert decided.argv[0] == "mmdebstrap"
    assert decided.argv[-len(decided.sources) - 2 :][:2] == (decided.suite, "-")


async def test_no_mmdebstrap(images: Images, told: Told) -> None:
    missing = Plan("bookworm", (), ("/nowhere/mmdebstrap",), {})
    with pytest.raises(Unsupported, match="mmdebstrap is not installed on this host: install the package mmdebstrap"):
        _ = [data async for data in Bootstrapping(missing, told).tar()]


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (
            "E: The repository 'http://m x Release' does not have a Release file.",
            NotFound,
            "suite x is not to be found",
        ),
        (
            "I: running apt-get update...\nE: something else",
            Exception,
            "mmdebstrap failed for x from .*E: something else",
        ),
        ("dpkg: No space left on device", Exception, "no space left on device"),
    ],
)
async def test_failures(told: Told, said: str, kind: type[Exception], text: str) -> None:
    failing = Plan("x", (), ("sh", "-c", 'printf %s "$0" >&2; exit 1', said), {"PATH": os.defpath})
    with pytest.raises(kind, match=text):
        _ = [data async for data in Bootstrapping(failing, told).tar()]


async def test_an_unknown_suite_leaves_nothing(images: Images, told: Told) -> None:
    with pytest.raises(NotFound, match="suite nosuchsuite is not to be found at http"):
        await bootstrap(images, "debian:nosuchsuite", told)
    assert list(images.tmp.iterdir()) == []
    assert layers_left(images) == []


async def test_a_cancelled_bootstrap_ends_the_program() -> None:
    running = asyncio.Event()

    def told(message: dict[str, Any]) -> None:
        running.set()

    slow = Plan("x", (), ("sh", "-c", "echo I: running apt-get >&2; exec sleep 1000"), {"PATH": os.defpath})
    stream = Bootstrapping(slow, told).tar()
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await running.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
