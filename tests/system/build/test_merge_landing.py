"""COPY --link onto what the base has: the base's folders stay as they are, and what need not be copied is shared."""

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pier.build.context.contents import reading
from pier.build.context.files import Files
from pier.build.graph import Copy, CopyItem, Merge, Rootfs
from pier.build.ops import copy, merge
from pier.build.session import Folder
from pier.build.worktree import worktree
from pier.testing.buildsteps import Steps, vertex


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "tree/sub").mkdir(parents=True)
    (folder / "file").write_text("new")
    (folder / "tree/sub/file").write_text("new")
    (folder / "tree/sub").chmod(0o751)
    return folder


async def base_with(steps: Steps, make: Callable[[Path], object]) -> Rootfs:
    async with worktree(steps.deps, steps.base) as tree:
        make(tree.root)
        return await tree.commit()


async def alone(steps: Steps, context: Path, path: str, dest: str, chown: str = "") -> Rootfs:
    made = Copy(items=(CopyItem(path, input=0),), dest=dest, chown=chown)
    return await copy.execute(steps.build(), vertex(made), [Files(Folder(context, "", in_place=True))])


async def laid(steps: Steps, base: Rootfs, upper: Rootfs, path: str, dest: str) -> Rootfs:
    return await merge.execute(steps.build(), vertex(Merge(upper=1, base=0, dest=dest, name=path)), [base, upper])


def sticky(root: Path) -> None:
    (root / "work").mkdir()
    (root / "work/sub").mkdir()
    os.chown(root / "work", 7, 8)
    (root / "work").chmod(0o1777)
    os.setxattr(root / "work", "user.note", b"kept")


async def test_folders_of_the_base_stay_as_they_are(steps: Steps, context: Path) -> None:
    upper = await alone(steps, context, "file", "/work/sub/deep/", chown="55:66")
    merged = await laid(steps, await base_with(steps, sticky), upper, "file", "/work/sub/deep/")
    async with reading(steps.build(), merged) as root:
        found = {name: (root / name).stat() for name in ("work", "work/sub", "work/sub/deep", "work/sub/deep/file")}
        assert os.getxattr(root / "work", "user.note") == b"kept"
    told = {name: (stat.S_IMODE(each.st_mode), each.st_uid, each.st_gid) for name, each in found.items()}
    assert told == {
        "work": (0o1777, 7, 8),
        "work/sub": (0o755, 0, 0),
        "work/sub/deep": (0o755, 55, 66),
        "work/sub/deep/file": (0o644, 55, 66),
    }
    with tarfile.open(fileobj=io.BytesIO(await steps.layer_tar(merged))) as tar:  # and so it is for who pulls it
        assert {name.rstrip("/"): tar.getmember(name).mode for name in tar.getnames()}["work"] == 0o1777


async def test_a_copied_folder_says_what_is_in_it_and_not_what_it_is(steps: Steps, context: Path) -> None:
    upper = await alone(steps, context, "tree", "/work")
    merged = await laid(steps, await base_with(steps, sticky), upper, "tree", "/work")
    async with reading(steps.build(), merged) as root:
        assert stat.S_IMODE((root / "work").stat().st_mode) == 0o1777
        assert stat.S_IMODE((root / "work/sub").stat().st_mode) == 0o751
        assert (root / "work/sub/file").read_text() == "new"


async def test_the_layer_is_shared_where_nothing_is_hidden(steps: Steps, context: Path) -> None:
    upper = await alone(steps, context, "file", "/opt/app/")
    bases = [steps.base, await base_with(steps, lambda root: os.makedirs(root / "opt/app"))]
    bases.append(await base_with(steps, lambda root: (root / "other").mkdir(mode=0o700)))
    for base in bases:
        merged = await laid(steps, base, upper, "file", "/opt/app/")
        assert merged.diff_ids == (*base.diff_ids, *upper.diff_ids)


async def test_a_layer_that_was_laid_elsewhere_hides_nothing_here(steps: Steps, context: Path) -> None:
    upper = await alone(steps, context, "file", "/work/")
    assert (await laid(steps, steps.base, upper, "file", "/work/")).diff_ids[-1] == upper.diff_ids[0]
    base = await base_with(steps, sticky)
    for _ in range(2):
        merged = await laid(steps, base, upper, "file", "/work/")
        assert merged.diff_ids[:-1] == base.diff_ids
        async with reading(steps.build(), merged) as root:
            assert stat.S_IMODE((root / "work").stat().st_mode) == 0o1777


@pytest.mark.parametrize("dest", ["/folder", "/link", "/link/", "/folder/"])
async def test_a_file_comes_to_lie_in_the_folder_that_is_there(steps: Steps, context: Path, dest: str) -> None:
    def make(root: Path) -> None:
        (root / "folder").mkdir()
        (root / "folder/kept").write_text("old")
        (root / "link").symlink_to("folder")

    merged = await laid(steps, await base_with(steps, make), await alone(steps, context, "file", dest), "file", dest)
    async with reading(steps.build(), merged) as root:
        assert (root / "link").is_symlink()
        assert {each.name: each.read_text() for each in (root / "folder").iterdir()} == {"kept": "old", "file": "new"}


async def test_many_files(steps: Steps, context: Path) -> None:
    for number in range(300):
        (context / f"tree/sub/{number}").write_text(str(number))
    os.link(context / "tree/sub/1", context / "tree/one")
    merged = await laid(
        steps, await base_with(steps, sticky), await alone(steps, context, "tree", "/work"), "tree", "/work"
    )
    async with reading(steps.build(), merged) as root:
        assert len(os.listdir(root / "work/sub")) == 301
        assert (root / "work/sub/299").read_text() == "299"
        assert (root / "work/one").stat().st_ino == (root / "work/sub/1").stat().st_ino
