"""COPY and ADD of what is made to break out: nothing of the host is read or written, and steps leave nothing."""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pier.build.context.files import Files
from pier.build.graph import Copy, CopyItem, Merge, Rootfs
from pier.build.ops import copy, merge
from pier.build.ops.op import Result
from pier.build.session import Folder
from pier.build.worktree import worktree
from pier.errors import DataCorrupted, InvalidArgument, NotFound, PierError
from pier.testing.buildsteps import Steps, vertex


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder of the host that nothing may touch: every path in it is what it was."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture(autouse=True)
def untouched(host: Path) -> Iterator[None]:
    before = host.stat().st_mtime_ns, (host / "secret").stat()
    yield
    assert os.listdir(host) == ["secret"]
    assert (host / "secret").read_text() == "secret"
    after = host.stat().st_mtime_ns, (host / "secret").stat()
    assert (after[0], after[1].st_mtime_ns, after[1].st_nlink) == (before[0], before[1].st_mtime_ns, before[1].st_nlink)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "tree/sub").mkdir(parents=True)
    (folder / "file").write_text("mine")
    (folder / "tree/sub/file").write_text("mine")
    return folder


async def base_with(steps: Steps, links: Mapping[str, str]) -> Rootfs:
    async with worktree(steps.deps, steps.base) as tree:
        for name, target in links.items():
            (tree.root / name).symlink_to(target)
        return await tree.commit()


async def copied(steps: Steps, context: Path, base: Rootfs, op: Copy) -> dict[str, str]:
    """Every file of the layer that is made, by its path in the image."""
    inputs: list[Result] = [base, Files(Folder(context, "", in_place=True))]
    return files(steps, await copy.execute(steps.build(), vertex(op), inputs))


def files(steps: Steps, rootfs: Rootfs) -> dict[str, str]:
    assert rootfs.chain is not None
    root = steps.deps.snapshots.layer(rootfs.chain).root
    found = [each for each in root.rglob("*") if each.is_file() and not each.is_symlink()]
    return {str(each.relative_to(root)): each.read_text() for each in found}


def op(path: str, dest: str, *, unpack: bool = False) -> Copy:
    return Copy(items=(CopyItem(path, input=1, unpack=unpack),), dest=dest, base=0)


UP = "../" * 40


@pytest.mark.parametrize("dest", ["/out", "/out/", "/out/new", "/out/new/", "/out/secret"])
@pytest.mark.parametrize("path", ["file", "tree"])
async def test_a_destination_that_leads_out(steps: Steps, host: Path, context: Path, dest: str, path: str) -> None:
    for target in (str(host), f"{UP}{host}"):
        base = await base_with(steps, {"out": target})
        made = await copied(steps, context, base, op(path, dest))
        assert made and all(name.startswith(str(host).lstrip("/")) for name in made)


@pytest.mark.parametrize("target", ["{}/secret", UP + "{}/secret", "/proc/self/root{}/secret", "/proc/1/root{}/secret"])
async def test_a_file_s_place_that_is_a_link_out(steps: Steps, host: Path, context: Path, target: str) -> None:
    base = await base_with(steps, {"link": target.format(host)})
    made = await copied(steps, context, base, op("file", "/link"))
    assert list(made.values()) == ["mine"]
    document = Copy(items=(CopyItem("EOF", content="mine"),), dest="/link", base=0)
    assert list((await copied(steps, context, base, document)).values()) == ["mine"]


async def test_a_folder_s_file_that_is_a_link_out_gives_way(steps: Steps, host: Path, context: Path) -> None:
    base = await base_with(steps, {"file": f"{host}/secret", "sub": str(host)})
    assert await copied(steps, context, base, op("file", "/")) == {"file": "mine"}
    with pytest.raises(InvalidArgument, match="cannot copy to non-directory: /sub"):
        await copied(steps, context, base, op("tree", "/"))


async def test_a_chain_of_links_ends(steps: Steps, context: Path) -> None:
    base = await base_with(steps, {"a": "b/x", "b": "a/x", **{f"l{n}": f"l{n + 1}" for n in range(300)}})
    for dest in ("/a/x", "/b/", "/l0", "/l0/x"):
        with pytest.raises(InvalidArgument, match="too many links"):
            await copied(steps, context, base, op("file", dest))


@pytest.mark.parametrize("target", ["{}", UP + "{}", "/proc/self/root{}", "/proc/1/root{}", "/proc/1/cwd/{}"])
async def test_a_source_that_leads_out(steps: Steps, host: Path, context: Path, target: str) -> None:
    (context / "link").symlink_to(target.format(host))
    for path in ("link", "link/secret", "lin*", "li*/secret", "../host/secret", f"{UP}{host}/secret"):
        try:
            made = await copied(steps, context, steps.base, op(path, "/new/"))
        except (NotFound, InvalidArgument):
            continue
        assert "secret" not in made.values(), path


@pytest.mark.parametrize("target", ["{}", UP + "{}"])
async def test_a_stage_that_leads_out(steps: Steps, host: Path, target: str) -> None:
    stage = await base_with(steps, {"link": target.format(host)})
    for path in ("/link/secret", "/link", "/li*"):
        with pytest.raises(NotFound):
            await copy.execute(steps.build(), vertex(op(path, "/new/")), [steps.base, stage])


@pytest.mark.parametrize("target", ["{}", UP + "{}"])
async def test_a_linked_copy_where_the_base_leads_out(steps: Steps, host: Path, context: Path, target: str) -> None:
    base = await base_with(steps, {"out": target.format(host)})
    inputs: list[Result] = [Rootfs(), Files(Folder(context, "", in_place=True))]
    for path, dest in (("file", "/out/"), ("tree", "/out"), ("file", "/out/secret"), ("file", "/out/a/b")):
        alone = await copy.execute(steps.build(), vertex(op(path, dest)), inputs)
        laid = vertex(Merge(upper=1, base=0, dest=dest, name=path))
        made = files(steps, await merge.execute(steps.build(), laid, [base, alone]))
        assert made and all(name.startswith(str(host).lstrip("/")) for name in made)


def archive(path: Path, *entries: tuple[str, bytes, str]) -> None:
    """Name, type, and the content or the link's target."""
    with tarfile.open(path, "w") as tar:
        for name, kind, held in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, held if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            content = held.encode() if kind == tarfile.REGTYPE else b""
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))


FILE, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.mark.parametrize("name", ["{}/new", UP + "{}/new", "a/" + UP + "{}/new", "/" + UP + "{}/new", "./..{}/new"])
async def test_an_archive_s_names_that_lead_out(steps: Steps, host: Path, context: Path, name: str) -> None:
    archive(context / "a.tar", (name.format(host), FILE, "mine"))
    made = await copied(steps, context, steps.base, op("a.tar", "/in/", unpack=True))
    assert made == {f"in{host}/new": "mine"}


@pytest.mark.parametrize("target", ["{}", UP + "{}", "/proc/self/root{}", "/proc/1/root{}"])
async def test_an_archive_s_links_that_lead_out(steps: Steps, host: Path, context: Path, target: str) -> None:
    archive(context / "a.tar", ("out", LINK, target.format(host)), ("out/new", FILE, "mine"))
    with pytest.raises(DataCorrupted, match="open /out/new: no such file or directory"):
        await copied(steps, context, steps.base, op("a.tar", "/in/", unpack=True))
    archive(context / "b.tar", ("out", LINK, target.format(host)), ("out", FOLDER, ""), ("out/new", FILE, "mine"))
    made = await copied(steps, context, steps.base, op("b.tar", "/in/", unpack=True))
    assert made == {"in/out/new": "mine"}


@pytest.mark.parametrize("target", ["{}/secret", UP + "{}/secret", "/proc/self/root{}/secret"])
async def test_an_archive_s_hard_links_that_lead_out(steps: Steps, host: Path, context: Path, target: str) -> None:
    archive(context / "a.tar", ("hard", HARD, target.format(host)))
    with pytest.raises(PierError):
        await copied(steps, context, steps.base, op("a.tar", "/in/", unpack=True))
    archive(context / "b.tar", ("out", LINK, str(host)), ("hard", HARD, "out/secret"))
    with pytest.raises(PierError):
        await copied(steps, context, steps.base, op("b.tar", "/in/", unpack=True))


async def test_an_archive_over_what_is_there(steps: Steps, host: Path, context: Path) -> None:
    """Links of the base that lead out, where the archive has files and folders of that name."""
    base = await base_with(steps, {"file": f"{host}/secret", "folder": str(host), "through": str(host)})
    archive(context / "a.tar", ("file", FILE, "mine"), ("folder", FOLDER, ""), ("folder/new", FILE, "mine"))
    made = await copied(steps, context, base, op("a.tar", "/", unpack=True))
    assert made == {"file": "mine", "folder/new": "mine"}
    archive(context / "b.tar", ("through/new", FILE, "mine"))
    with pytest.raises(DataCorrupted, match="open /through/new: no such file or directory"):
        await copied(steps, context, base, op("b.tar", "/", unpack=True))


async def test_an_archive_s_devices_and_marks_of_the_overlay(steps: Steps, context: Path) -> None:
    """What would be a deleted file to the overlay is not made; a whiteout's name is a name."""
    archive(context / "a.tar", ("bin/.wh.busybox", FILE, "x"), ("null", tarfile.CHRTYPE, ""))
    with pytest.raises(PierError):
        await copied(steps, context, steps.base, op("a.tar", "/", unpack=True))
    archive(context / "b.tar", ("bin/.wh.busybox", FILE, "x"), ("bin/.wh..wh..opq", FILE, "x"))
    made = await copied(steps, context, steps.base, op("b.tar", "/", unpack=True))
    assert made == {"bin/.wh.busybox": "x", "bin/.wh..wh..opq": "x"}
