"""COPY of many files, and of several that come to lie in one place: the last stays, whoever moves them."""

from pathlib import Path

import pytest

from pier.build.context.contents import reading
from pier.build.context.files import Files
from pier.build.graph import Copy, CopyItem, Rootfs
from pier.build.ops import copy
from pier.build.ops.op import Result
from pier.build.session import Folder
from pier.build.worktree import worktree
from pier.errors import InvalidArgument
from pier.linux.files import make_folder
from pier.linux.trees import remove_tree
from pier.testing.buildsteps import Steps, vertex

MANY = 200  # more than a thread of the daemon moves: helper processes do it


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for folder in ("a", "b"):
        (tmp_path / "context" / folder / "sub").mkdir(parents=True)
        for number in range(MANY):
            (tmp_path / "context" / folder / f"sub/{number}").write_text(f"{folder}{number}")
        (tmp_path / "context" / folder / "same").write_text(folder)
        (tmp_path / "context" / folder / "other").hardlink_to(tmp_path / "context" / folder / "same")
    return tmp_path / "context"


async def copied(steps: Steps, context: Path, base: Rootfs, *paths: str, dest: str) -> Rootfs:
    op = Copy(items=tuple(CopyItem(path, input=1) for path in paths), dest=dest, base=0)
    return await copy.execute(steps.build(), vertex(op), [base, Files(Folder(context, "", in_place=True))])


@pytest.mark.parametrize(("paths", "last"), [(["[ab]"], "b"), (["a", "b"], "b"), (["b", "a"], "a")])
async def test_folders_in_one_place(steps: Steps, context: Path, paths: list[str], last: str) -> None:
    made = await copied(steps, context, steps.base, *paths, dest="/new/")
    async with reading(steps.build(), made) as root:
        assert {(root / f"new/sub/{number}").read_text() for number in range(MANY)} == {
            f"{last}{number}" for number in range(MANY)
        }
        assert (root / "new/same").read_text() == last
        assert (root / "new/same").stat().st_ino == (root / "new/other").stat().st_ino


@pytest.mark.parametrize("paths", [["*/same"], ["a/same", "b/same"], ["*/other"]])
async def test_files_on_one_name(steps: Steps, context: Path, paths: list[str]) -> None:
    made = await copied(steps, context, steps.base, *paths, dest="/new")
    async with reading(steps.build(), made) as root:
        assert (root / "new").read_text() == "b"


async def test_a_folder_that_is_in_the_way_of_one_file_of_many(steps: Steps, context: Path) -> None:
    async with worktree(steps.deps, steps.base) as tree:
        (tree.root / "new/sub/7").mkdir(parents=True)
        base = await tree.commit()
    with pytest.raises(InvalidArgument, match=r"^cannot replace to directory /new/sub/7 with file$"):
        await copied(steps, context, base, "a", dest="/new")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    for name in ("p.json", "a/p.json", "a/b/p.json", "a/b/c/x.txt", "d/x.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "a").chmod(0o750)
    (folder / "link").symlink_to("a")
    return folder


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("a/b/p.json", {"a/b/p.json"}),
        ("a/./b/p.json", {"b/p.json"}),
        ("**/p.json", {"p.json", "a/p.json", "a/b/p.json"}),
        ("./**/x.txt", {"a/b/c/x.txt", "d/x.txt"}),
        ("a/./**/*.txt", {"b/c/x.txt"}),
        ("a/**", {"a/p.json", "a/b/p.json", "a/b/c/x.txt"}),
        ("*/p.json", {"a/p.json"}),
        ("a", {"a/p.json", "a/b/p.json", "a/b/c/x.txt"}),
        ("**/none", set()),
    ],
)
async def test_parents(steps: Steps, packages: Path, pattern: str, made: set[str]) -> None:
    op = Copy(items=(CopyItem(pattern, input=1),), dest="/new/", base=0, parents=True)
    inputs: list[Result] = [steps.base, Files(Folder(packages, "", in_place=True))]
    layer = await copy.execute(steps.build(), vertex(op), inputs)
    async with reading(steps.build(), layer) as root:
        found = {str(each.relative_to(root / "new")) for each in (root / "new").rglob("*") if each.is_file()}
        assert found == made
        if (root / "new/a").exists():
            assert (root / "new/a").stat().st_mode & 0o777 == 0o750


async def test_a_thousand_folders_in_one_another(steps: Steps, tmp_path: Path) -> None:
    top = tmp_path / "deep"
    inner = Path(*["d"] * 1200)
    make_folder(tmp_path, f"deep/{inner}")
    try:
        for parents, pattern in ((False, "."), (True, "**/d")):
            op = Copy(items=(CopyItem(pattern, input=1),), dest="/new/", base=0, parents=parents, exclude=("none",))
            inputs: list[Result] = [steps.base, Files(Folder(top, "", in_place=True), ("d", "!d/none", "!d/d"))]
            layer = await copy.execute(steps.build(), vertex(op), inputs)
            async with reading(steps.build(), layer) as root:
                assert (root / "new" / inner).is_dir()
    finally:
        remove_tree(top)
