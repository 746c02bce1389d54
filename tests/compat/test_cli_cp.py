"""``pier cp`` leaves the same files as ``docker cp``, and fails where it fails."""

import os
import shutil
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE, Engine
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import ANY_CODE, Pier

Tree = list[tuple[str, int, int, str]]

FURNISH = (
    "rm -rf /t /w; mkdir -p /t/d/e /w/ex/d; echo f >/t/d/f; echo g >/t/d/e/g; ln -s f /t/d/l; ln -s d /t/dl;"
    "ln -s /etc /t/abs; touch /t/empty; chmod 640 /t/d/f; echo old >/w/ex/file; ln -s ex /w/exl; ln -s file /w/ex/fl;"
    "ln -s nowhere /w/dang"
)
LISTING = (
    "cd /w && find . | sort | while read f; do stat -c '%n %f %u %g %N' $f; done; find . -type f | sort | xargs md5sum"
)


@pytest.fixture
def pier(engine: Engine, cli: Docker, tmp_path: Path) -> Pier:
    return Pier(engine.host, tmp_path / "config", cli.label)


@pytest.fixture
def container(cli: Docker, name: str) -> str:
    cli("run", "-d", "--name", name, IMAGE, "sleep", "3600")
    return name


def furnish(here: Path) -> None:
    """The folder that is copied from and to, always anew."""
    shutil.rmtree(here, ignore_errors=True)
    for folder in ("ex/d", "src/sub"):
        (here / folder).mkdir(parents=True)
    for path, text in (("ex/file", "old"), ("ex/d/x", "x"), ("src/a", "aa"), ("src/sub/b", "bb")):
        (here / path).write_text(text)
        os.utime(here / path, (10**9, 10**9))
    (here / "src/a").chmod(0o604)
    for link, target in (("src/ln", "a"), ("srcl", "src"), ("al", "src/a")):
        (here / link).symlink_to(target)


def tree(here: Path) -> Tree:
    found: Tree = []
    for path in sorted(here.rglob("*")):
        stat = path.lstat()
        found.append((str(path.relative_to(here)), stat.st_mode, stat.st_uid, content(path)))
    return found


def content(path: Path) -> str:
    if path.is_symlink():
        return os.readlink(path)
    return path.read_text() if path.is_file() else ""


def outcome(cli: Docker, here: Path, args: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code, and the last line of the error."""
    monkeypatch.chdir(here)
    result = cli("cp", *args, code=ANY_CODE)
    return result.code, result.err.replace("//", "/").split("\n")[-1]


OUT = """C:/t/d ex
C:/t/d/. ex
C:/t/d new
C:/t/d/. new
C:/t/d new/
C:/t/d ex/file
C:/t/d/f ex
C:/t/d/f ex/file
C:/t/d/f ex/new
C:/t/d/f nodir/
C:/t/d/f nodir/x
C:/t/dl ex
C:/t/dl/ ex
C:/t/dl/. ex
-L C:/t/dl ex
-L C:/t/dl new
-L C:/t/d/l ex
C:/t/d/l ex
C:/t/d/l ex/newl
C:/t/abs ex
-a C:/t/d ex
C:t/d ex
C:/t/d/f .
C:/t/d/f ex/d
C:/t/nope ex
C:/t/d/f/ ex
C:/t/d/f/. ex""".splitlines()

IN = """src C:/w/ex
src/. C:/w/ex
src C:/w/new
src/. C:/w/new
src C:/w/ex/file
src/a C:/w/ex
src/a C:/w/ex/file
src/a C:/w/new
src/a C:/w/new/
src/a C:/w/nodir/x
src C:/w/exl
src C:/w/exl/
src/a C:/w/ex/fl
src/a C:/w/dang
srcl C:/w/ex
srcl/ C:/w/ex
srcl/. C:/w/ex
-L srcl C:/w/ex
-L al C:/w/ex
al C:/w/ex
-L al C:/w/new
-a src C:/w/ex
nope C:/w/ex
src/a/ C:/w/ex
. C:/w/ex
src/sub/.. C:/w/new""".splitlines()


def test_out_of_a_container(
    cli: Docker, pier: Pier, container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("exec", container, "sh", "-c", FURNISH)
    here = tmp_path / "here"
    different: list[str] = []
    for line in OUT:
        args = line.replace("C:", f"{container}:").split()
        results: list[tuple[tuple[int, str], Tree]] = []
        for program in (cli, pier):
            furnish(here)
            results.append((outcome(program, here, args, monkeypatch), tree(here)))
        if results[0] != results[1]:
            different.append(f"{line}: {results}")
    assert different == []


def test_into_a_container(
    cli: Docker, pier: Pier, container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    furnish(here)
    different: list[str] = []
    for line in IN:
        args = line.replace("C:", f"{container}:").split()
        results: list[tuple[tuple[int, str], str]] = []
        for program in (cli, pier):
            cli("exec", container, "sh", "-c", FURNISH)
            results.append((outcome(program, here, args, monkeypatch), cli("exec", container, "sh", "-c", LISTING).out))
        if results[0] != results[1]:
            different.append(f"{line}: {results}")
    assert different == []


def test_streams(cli: Docker, pier: Pier, container: str) -> None:
    cli("exec", container, "sh", "-c", FURNISH)
    archive = pier("cp", f"{container}:/t/d", "-").stdout
    assert archive == cli("cp", f"{container}:/t/d", "-").stdout
    pier("cp", "-", f"{container}:/w/ex", stdin=archive)
    assert cli("exec", container, "cat", "/w/ex/d/e/g").out == "g"
    assert "must be a directory" in pier.fails("cp", "-", f"{container}:/w/ex/file", stdin=archive)


def test_a_large_file(cli: Docker, pier: Pier, container: str, tmp_path: Path) -> None:
    payload = os.urandom(20_000_000)
    (tmp_path / "big").write_bytes(payload)
    pier("cp", str(tmp_path / "big"), f"{container}:/big")
    pier("cp", f"{container}:/big", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == payload
