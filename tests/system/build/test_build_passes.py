"""From a request to an image, with what needs no step to run: reading, resolving, checking, failing."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pier.build.binfmt import can_run
from pier.build.build import Built, build
from pier.build.failures import BuildFailed, Tails
from pier.build.linting import CheckFailed
from pier.build.progress import LintWarning, LogPiece, VertexState
from pier.build.reading import read
from pier.images.lookup import find
from pier.images.register import register
from pier.images.tag import tag_id
from pier.oci.image import ExecutionConfig, ImageConfig, RootFS, encode_config
from pier.oci.platform import Platform
from pier.oci.reference import parse_reference
from pier.testing.exports import Client, Machine
from pier.testing.images import layer_tar

BASE = ExecutionConfig(env=["PATH=/bin"], cmd=["sh"], on_build=["LABEL triggered=yes"])


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """With the image ``base``, for amd64, and an empty context."""
    async with Machine(tmp_path / "machine") as made:
        (tmp_path / "context").mkdir()
        made.client.folders["context"] = tmp_path / "context"
        await image(made, "base:latest", "amd64")
        yield made


async def image(machine: Machine, name: str, architecture: str) -> None:
    diff_ids = await machine.layer((), layer_tar(file=architecture.encode()))
    config = ImageConfig(architecture, "linux", rootfs=RootFS(diff_ids=list(diff_ids)), config=BASE)
    registered = await register(machine.images, encode_config(config))
    tag_id(machine.images, registered.id, parse_reference(name))


async def run(machine: Machine, files: dict[str, str], **request: Any) -> Built:
    """Build with these files in the context."""
    folder = machine.client.folders["context"]
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    made = machine.build(**request)
    return await build(made.deps, made.request, machine.client, machine.told)


async def test_an_image_comes_out(machine: Machine) -> None:
    text = "ARG B=ba\nFROM ${B}se\nENV A=1\nCMD x"
    built = await run(machine, {"Dockerfile": text}, tags=("mine:1",), labels={"l": "1"})
    found = find(machine.images, "mine:1")
    assert built.images == (found.id,)
    config = found.config.config
    assert (config.env, config.cmd) == (["PATH=/bin", "A=1"], ["/bin/sh", "-c", "x"])
    assert (config.labels, config.on_build) == ({"triggered": "yes", "l": "1"}, None)
    assert "[internal] load metadata for docker.io/library/base:latest" in machine.told.vertices()
    assert "[internal] load build definition from Dockerfile" in machine.told.vertices()


async def test_an_image_by_its_id(machine: Machine) -> None:
    base = find(machine.images, "base")
    await run(machine, {"Dockerfile": f"FROM {base.id}\nENV A=1"}, tags=("mine",))
    assert find(machine.images, "mine").chain_ids == base.chain_ids


async def test_files_that_are_included(machine: Machine) -> None:
    files = {"d/Dockerfile": "INCLUDE common/first\nENV B=2", "d/common/first": "FROM base\nENV A=1"}
    await run(machine, files, dockerfile="d/Dockerfile", tags=("mine",))
    assert find(machine.images, "mine").config.config.env == ["PATH=/bin", "A=1", "B=2"]


async def test_a_dockerfile_from_another_folder(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/File").write_text("FROM base\nENV A=1")
    machine.client.folders["dockerfile"] = tmp_path / "other"
    await run(machine, {}, dockerfile="File", dockerfile_context="local:dockerfile", tags=("mine",))
    assert find(machine.images, "mine")


FAILURES = [
    (
        {"Dockerfile": "FROM base\nFROBNICATE x"},
        {},
        "dockerfile parse error on line 2: unknown instruction: FROBNICATE",
        2,
    ),
    ({"Dockerfile": "FROM base\nRUN --network=host a"}, {}, "network.host is not allowed", 2),
    ({}, {}, "failed to read dockerfile: open Dockerfile: no such file or directory", 0),
    ({"Dockerfile": "INCLUDE gone"}, {}, "dockerfile parse error on line 1: INCLUDE of gone: no such file", 1),
    ({"Dockerfile": "FROM base AS x"}, {"target": "z"}, 'target stage "z" could not be found (did you mean x?)', 0),
    ({"Dockerfile": "FROM base"}, {"platforms": ("a/b/c/d",)}, None, 0),
    ({"Dockerfile": "FROM base"}, {"build_args": {"SOURCE_DATE_EPOCH": "x"}}, None, 0),
]


@pytest.mark.parametrize(("files", "request_", "reason", "line"), FAILURES)
async def test_how_builds_fail(
    machine: Machine, files: dict[str, str], request_: dict[str, Any], reason: str | None, line: int
) -> None:
    with pytest.raises(BuildFailed) as caught:
        await run(machine, files, **request_)
    error = caught.value
    assert reason is None or error.reason == reason
    assert (error.location.first if error.location else 0) == line
    assert str(error) == f"{error.shown}failed to solve: {error.reason}"


async def test_a_dockerfile_does_not_lead_out_of_its_folder(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("FROM base")
    (tmp_path / "context/Dockerfile").symlink_to(tmp_path / "secret")
    with pytest.raises(BuildFailed, match="no such file or directory"):
        await run(machine, {})


async def test_a_platform_that_nobody_runs_here_is_refused_before_any_work(machine: Machine) -> None:
    await image(machine, "far:latest", "s390x")
    with pytest.raises(BuildFailed) as caught:
        await run(machine, {"Dockerfile": "FROM far\nRUN a"}, platforms=("linux/s390x",))
    assert caught.value.reason.startswith("RUN for linux/s390x cannot run on this host (exec format error)")
    assert caught.value.location is not None and caught.value.location.first == 2


async def test_what_needs_no_step_is_built_for_any_platform(machine: Machine) -> None:
    await image(machine, "far:latest", "s390x")
    await run(machine, {"Dockerfile": "FROM far\nENV A=1"}, platforms=("linux/s390x",), tags=("mine",))
    assert find(machine.images, "mine").config.architecture == "s390x"


async def test_findings_are_told_and_no_error(machine: Machine) -> None:
    await run(machine, {"Dockerfile": "FROM base as x\nENV A 1"}, tags=("mine",))
    assert {each.warning.rule for each in machine.told if isinstance(each, LintWarning)} == {
        "FromAsCasing",
        "LegacyKeyValueFormat",
    }


async def test_findings_can_be_errors(machine: Machine) -> None:
    with pytest.raises(BuildFailed, match="lint violation found for rules: FromAsCasing"):
        await run(machine, {"Dockerfile": "# check=error=true\nFROM base as x"})


async def test_checking_builds_nothing(machine: Machine) -> None:
    with pytest.raises(CheckFailed, match="Check complete, 1 warning has been found!"):
        await run(machine, {"Dockerfile": "FROM nowhere as x"}, check=True)
    assert await run(machine, {"Dockerfile": "FROM nowhere AS x"}, check=True) == Built((), {})
    text = "FROM nowhere as x"
    assert await run(
        machine, {"Dockerfile": text}, check=True, build_args={"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}
    ) == Built((), {})


def test_the_end_of_what_a_step_wrote_is_kept() -> None:
    passed: list[object] = []
    tails = Tails(passed.append)
    for number in range(5000):
        tails(LogPiece("v", 1, f"line {number}\n".encode(), 0))
    tails(LogPiece("done", 1, b"gone\n", 0))
    tails(VertexState("done", "x", completed=1))
    assert tails.lines("v") == [f"line {number}" for number in range(4990, 5000)]
    assert tails.lines("done") == []
    assert len(passed) == 5002


def test_a_failed_step_is_shown_as_buildkit_does() -> None:
    error = BuildFailed("process did not", vertex="v", step="[2/2] RUN echo hi; false", output=["hi"])
    assert str(error).splitlines() == [
        "------",
        " > [2/2] RUN echo hi; false:",
        "hi",
        "------",
        "failed to solve: process did not",
    ]


QEMU = """\
enabled
interpreter /usr/bin/qemu-aarch64-static
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.mark.parametrize(
    ("entry", "status", "expected"),
    [
        (QEMU.format(flags="OCF"), "enabled", True),
        (QEMU.format(flags="OC"), "enabled", False),
        (QEMU.format(flags="F").replace("enabled", "disabled"), "enabled", False),
        (QEMU.format(flags="F"), "disabled", False),
        (QEMU.format(flags="F").replace("b700", "f300"), "enabled", False),
        ("enabled\ninterpreter /bin/java\nflags: F\nextension .jar\n", "enabled", False),
    ],
)
def test_interpreters_of_other_machines(tmp_path: Path, entry: str, status: str, expected: bool) -> None:
    (tmp_path / "status").write_text(status + "\n")
    (tmp_path / "register").write_text("")
    (tmp_path / "some").write_text(entry)
    host = Platform("amd64", "linux")
    assert can_run(Platform("arm64", "linux"), host, tmp_path) is expected


def test_what_the_processor_runs_itself(tmp_path: Path) -> None:
    host = Platform("amd64", "linux")
    assert can_run(host, host, tmp_path) and can_run(Platform("386", "linux"), host, tmp_path)
    assert not can_run(Platform("amd64", "windows"), host, tmp_path)


def archive(compress: str = "", **files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compress}") as tar:  # type: ignore[call-overload]  # a mode made up
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


class Uploads(Client):
    """A client that gives ``data`` in small pieces."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    async def upload(self, name: str) -> AsyncIterator[bytes]:
        assert name == "context"
        for start in range(0, len(self._data), 100):
            yield self._data[start : start + 100]


@pytest.mark.parametrize(
    "data",
    [archive(Dockerfile="FROM base\nENV A=1"), archive("gz", Dockerfile="FROM base\nENV A=1"), b"FROM base\nENV A=1"],
    ids=["tar", "tar.gz", "lone Dockerfile"],
)
async def test_a_context_on_standard_input(machine: Machine, data: bytes) -> None:
    made = machine.build(context="upload:context", tags=("mine",))
    await build(made.deps, made.request, Uploads(data), machine.told)
    assert find(machine.images, "mine").config.config.env == ["PATH=/bin", "A=1"]
    assert list(machine.images.tmp.iterdir()) == []


async def test_a_broken_context(machine: Machine) -> None:
    made = machine.build(context="upload:context")
    with pytest.raises(BuildFailed):
        await build(made.deps, made.request, Uploads(archive("gz", Dockerfile="FROM base" * 99)[:120]), machine.told)
    assert list(machine.images.tmp.iterdir()) == []


async def test_a_build_without_a_context(machine: Machine) -> None:
    made = machine.build(context="")
    with pytest.raises(BuildFailed, match="failed to read dockerfile: the build has no context"):
        await build(made.deps, made.request, machine.client, machine.told)


async def test_what_is_left_out_of_a_context(machine: Machine, tmp_path: Path) -> None:
    folder = machine.client.folders["context"]
    (folder / "Dockerfile").write_text("FROM base")
    (folder / "other").write_text("FROM base")
    (folder / ".dockerignore").write_text("# a comment\n*.o\nDockerfile\n!keep.o\n")
    (folder / "other.dockerignore").write_text("mine\n")
    (tmp_path / "named").mkdir()
    (tmp_path / "named/.dockerignore").write_text("theirs\n")
    machine.client.folders["named"] = tmp_path / "named"
    contexts = {"x": "local:named", "y": "docker-image://base"}
    found = await read(machine.build(contexts=contexts))
    assert found.excludes == {"context": ("*.o", "Dockerfile", "!keep.o"), "named": ("theirs",)}
    found = await read(machine.build(dockerfile="./other"))
    assert found.excludes == {"context": ("mine",)}


async def test_a_cancelled_build_leaves_nothing(machine: Machine) -> None:
    class Hanging(Uploads):
        async def upload(self, name: str) -> AsyncIterator[bytes]:
            yield archive(Dockerfile="FROM base")[:600]
            reached.set()
            await asyncio.Event().wait()

    reached = asyncio.Event()
    made = machine.build(context="upload:context")
    task = asyncio.ensure_future(build(made.deps, made.request, Hanging(b""), machine.told))
    await reached.wait()
    assert list(machine.images.tmp.iterdir())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert list(machine.images.tmp.iterdir()) == []
