"""RUN --mount=type=bind, and caches that begin with something: folders of the client, and other stages."""

import os
from pathlib import Path

import pytest

from pier.build.context.files import Files
from pier.build.graph import Exec, Mount
from pier.build.ops import execute
from pier.build.session import Folder
from pier.errors import NotFound
from pier.testing.buildsteps import Steps, vertex

EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "sub").mkdir(parents=True)
    (folder / "modules/kept").mkdir(parents=True)
    (folder / "sub/file").write_text("text\n")
    (folder / "modules/kept/a").write_text("a")
    (folder / "modules/b").write_text("b")
    (folder / "secret.env").write_text("x")
    (folder / "out").symlink_to("/etc/shadow")
    (folder / "in").symlink_to("/sub")
    return folder


def files(context: Path, *exclude: str) -> Files:
    return Files(Folder(context, "k", in_place=True), exclude)


async def test_what_is_written_is_thrown_away(steps: Steps, context: Path) -> None:
    script = "cat /m/file; echo new >/m/file; echo y >/m/y; cat /m/file; echo x >/ro/x || echo refused"
    wanted = (Mount("bind", "/m", input=1, source="/in"), Mount("bind", "/ro", input=1, source="/", read_only=True))
    made = await steps.run(script, files(context), mounts=wanted)
    assert "text\nnew\n" in steps.said()
    assert "refused\n" in steps.said()
    assert made.diff_ids[-1] == EMPTY
    assert os.listdir(context / "sub") == ["file"]
    assert (context / "sub/file").read_text() == "text\n"


async def test_a_single_file(steps: Steps, context: Path) -> None:
    wanted = (Mount("bind", "/a/file", input=1, source="/sub/file"),)
    await steps.run("echo new >/a/file; cat /a/file", files(context), mounts=wanted)
    assert steps.said() == "new\n"
    assert (context / "sub/file").read_text() == "text\n"


async def test_what_is_ignored_is_not_there(steps: Steps, context: Path) -> None:
    wanted = (Mount("bind", "/m", input=1, source="/", read_only=True),)
    await steps.run("cd /m; find . | sort", files(context, "modules", "!modules/kept", "*.env"), mounts=wanted)
    kept = {".", "./in", "./modules", "./modules/kept", "./modules/kept/a", "./out", "./sub", "./sub/file"}
    assert set(steps.said().split()) == kept
    assert (context / "secret.env").exists()


@pytest.mark.parametrize("source", ["/nope", "/out"])
async def test_what_is_not_there(steps: Steps, context: Path, source: str) -> None:
    with pytest.raises(NotFound, match=f'"{source}": not found'):
        await steps.run("true", files(context), mounts=(Mount("bind", "/m", input=1, source=source),))


async def test_another_stage(steps: Steps) -> None:
    stage = await steps.run("echo made >/made")
    wanted = (Mount("bind", "/from", input=1, source="/", read_only=True),)
    await steps.run("cat /from/made; ls /made || true", stage, mounts=wanted)
    assert "made\n" in steps.said()


async def test_a_cache_begins_with_something(steps: Steps, context: Path) -> None:
    wanted = (Mount("cache", "/c", id="seeded", input=1, source="/sub"),)
    await steps.run("cat /c/file; echo changed >/c/file", files(context), mounts=wanted)
    await steps.run("cat /c/file", files(context), mounts=wanted)
    assert steps.said() == "changed\n"
    assert (context / "sub/file").read_text() == "text\n"


async def test_the_key_follows_the_contents(steps: Steps, context: Path) -> None:
    op = Exec(args=("x",), base=0, mounts=(Mount("bind", "/m", input=1, source="/sub"), Mount("secret", "/s", id="s")))

    async def key(**request: object) -> str:
        return await execute.key(steps.build(**request), vertex(op), [steps.base, files(context)])

    first = await key()
    (context / "secret.env").write_text("something else")
    os.utime(context / "sub/file", (1, 1))
    assert await key(build_args={"A": "1"}) == first
    (context / "sub/file").write_text("other\n")
    assert await key() != first
