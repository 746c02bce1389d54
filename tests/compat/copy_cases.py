"""Small builds around COPY and ADD: a context with everything in it that a file system has, and what is copied of it.

``copy_cases.json`` holds what the real Docker made of each: it is taken with ``python -m tests.compat.copy_pictures``.
"""

import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import zstandard

BASE: Final = "copybox"
TIME: Final = 1_400_000_000
"""Of the context's files; of the base's it is 100 million seconds earlier."""

_ONE: Final = (
    "RUN mkdir -p /ex/tree/sub /dest/dir && echo old >/ex/tree/one && echo f >/dest/file && ln -s dir /dest/todir"
    " && ln -s file /dest/tofile && ln -s /gone/away /dest/dangling && ln -s /dest/loop /dest/loop"
    " && chmod 711 /ex && chmod 1733 /ex/tree && chown -R 7:8 /ex && mkdir -m 700 /ex/tree/deep"
    " && echo x >/ex/tree/sub/kept && ln -s /dest/dir /abslink && ln -s ../../../../dest/dir /upward"
    " && touch -d '2001-02-03 04:05:06' /ex/tree/one /ex/tree/sub /ex/tree /ex /dest/dir /dest /"
)
_STAGE: Final = (
    "RUN mkdir -p /src/deep/er /src/empty && echo 1 >/src/one && echo 2 >/src/deep/two && chmod 4755 /src/one"
    " && ln -s one /src/link && ln -s deep /src/dirlink && ln /src/one /src/hard && chown 1000:2000 /src/deep/two"
    " && chown 11:12 /src/deep && mkdir -m 1777 /src/sticky && chmod 2750 /src/deep && mkfifo -m 604 /src/fifo"
    " && ln -s /src/deep /absolute && ln -s ../../../src/deep /climbing && ln -s /nothing /broken"
    " && chown 3:4 /src && chmod 750 /src && ln /src/deep/two /src/deep/er/two"
    " && find /src -exec touch -h -d '2001-02-03 04:05:06' {} +"
)
FINAL: Final = "case"
"""The stage that is built anew for each case: what is cached has the times of another's files."""

HEAD: Final = f"FROM {BASE} AS stage\n{_STAGE}\nFROM {BASE} AS ground\n{_ONE}\nFROM ground AS {FINAL}\n"

CASES: Final[dict[str, str]] = {
    # where a file comes to lie
    "file-to-name": "COPY one /new/name",
    "file-to-folder-slash": "COPY one /new/folder/",
    "file-to-existing-file": "COPY one /dest/file",
    "file-to-existing-folder": "COPY one /dest/dir",
    "file-to-link-to-folder": "COPY one /dest/todir",
    "file-to-link-to-folder-slash": "COPY one /dest/todir/",
    "file-to-link-to-file": "COPY one /dest/tofile",
    "file-to-dangling-link": "COPY one /dest/dangling",
    "file-to-dangling-link-slash": "COPY one /dest/dangling/",
    "file-to-loop": "COPY one /dest/loop",
    "file-below-link": "COPY one /dest/todir/in/name",
    "file-below-file": "COPY one /dest/file/name",
    "file-below-dangling": "COPY one /dest/dangling/name",
    "file-through-upward-link": "COPY one /upward/name",
    "file-to-dots": "COPY one /../../up/./x/../name",
    "file-to-relative": "WORKDIR /ex/tree\nCOPY one new",
    "file-to-dot": "WORKDIR /ex/tree\nCOPY one .",
    "file-over-folder": "RUN mkdir -p /dest/dir/one/two\nCOPY one /dest/dir",
    "file-over-empty-folder": "RUN mkdir -p /dest/dir/one\nCOPY one /dest/dir",
    "file-over-link-in-folder": "RUN ln -s ../file /dest/dir/one\nCOPY one /dest/dir/",
    "file-over-dangling-in-folder": "RUN ln -s nowhere /dest/dir/one\nCOPY one /dest/dir/",
    "same-file-twice": "COPY one one /new/",
    "several-no-slash": "COPY one two.txt /new",
    "several-onto-folder": "COPY one two.txt /dest/dir",
    "several-with-folder": "COPY one tree /new/",
    "several-one-missing": "COPY one nothing-here /new/",
    "missing": "COPY nothing-here /new/",
    "missing-below-file": "COPY one/x /new/",
    "missing-parent": "COPY gone/x /new/",
    "missing-below-dangling": "COPY danglink/x /new/",
    "missing-bind": "RUN --mount=type=bind,source=nothing,target=/m true",
    "file-with-slash": "COPY one/ /new/",
    "file-to-root": "COPY one /",
    "file-name-too-long": f"COPY one /{'n' * 300}",
    # links of the source
    "link-final": "COPY link /new",
    "link-to-folder": "COPY dirlink /new",
    "link-to-folder-slash": "COPY dirlink/ /new",
    "link-to-folder-inside": "COPY dirlink/sub/file /new",
    "link-out-of-context": "COPY outlink /new",
    "link-out-absolute": "COPY outabs /new",
    "link-dangling": "COPY danglink /new/",
    "link-loop": "COPY looplink /new/",
    "links-in-folder": "COPY links /new/",
    "climbing-source": "COPY ../../one /new",
    "link-chain": "COPY chain1 /new/",
    # folders
    "folder-new": "COPY tree /new",
    "folder-slash": "COPY tree/ /new/",
    "folder-onto-existing": "COPY tree /ex/tree",
    "folder-onto-link": "COPY tree /abslink",
    "folder-onto-link-slash": "COPY tree /abslink/",
    "folder-onto-file": "COPY tree /dest/file",
    "folder-onto-file-slash": "COPY tree /dest/file/",
    "folder-over-file-inside": "RUN echo x >/dest/dir/sub\nCOPY tree /dest/dir",
    "folder-over-link-inside": "RUN ln -s /ex/tree /dest/dir/sub\nCOPY tree /dest/dir",
    "folder-over-dangling-inside": "RUN ln -s /gone /dest/dir/sub\nCOPY tree /dest/dir",
    "folder-file-over-folder-inside": "RUN mkdir -p /dest/dir/one\nCOPY tree /dest/dir",
    "folder-link-over-folder-inside": "RUN mkdir -p /dest/dir/rel\nCOPY links /dest/dir",
    "folder-to-root": "COPY tree /",
    "folder-modes": "COPY modes /new",
    "folder-hard": "COPY hard /new",
    "folder-hard-split": "COPY hard/a hard/b /new/",
    "folder-special": "COPY special /new",
    "folder-empty": "COPY empty /new",
    "folder-names": "COPY names /new",
    "folder-xattrs": "COPY xattrs /new",
    "special-fifo": "COPY special/fifo /new",
    "special-socket": "COPY special/socket /new",
    "special-device": "COPY special/null /new",
    "whole-context": "COPY . /new",
    "whole-context-slash": "COPY ./ /new/",
    "whole-context-root": "COPY / /new/",
    "whole-onto-existing": "COPY . /ex",
    "workdir-dot": "WORKDIR /ex\nCOPY . .",
    # globs
    "glob-star": "COPY glob/* /new/",
    "glob-star-no-slash": "COPY glob/*.txt /new",
    "glob-one-no-slash": "COPY glob/a*.md /new",
    "glob-one-onto-file": "COPY glob/a*.md /dest/file",
    "glob-question": "COPY glob/?.txt /new/",
    "glob-class": "COPY glob/[a-b].txt /new/",
    "glob-negated": "COPY glob/[^a].txt /new/",
    "glob-dots": "COPY glob/.* /new/",
    "glob-none": "COPY glob/*.nothing /new/",
    "glob-none-and-one": "COPY one glob/*.nothing /new/",
    "glob-folder": "COPY glob/d* /new/",
    "glob-middle": "COPY */sub/file /new/",
    "glob-escaped": "COPY glob/\\[x\\] /new/",
    "glob-bad": "COPY glob/[x /new/",
    "glob-double": "COPY **/file /new/",
    "glob-link": "COPY dirl* /new/",
    "glob-none-at-all": "COPY *.nothing /new/",
    "glob-none-beside-one": "COPY one yarn.lock* /new/",
    "glob-none-in-stage": "COPY --from=stage /src/*.nothing /new/",
    "glob-folder-missing-in-stage": "COPY --from=stage /nope/*.nothing /new/",
    "glob-bracket": "COPY glob/[[]x] /new/",
    "glob-everything": "COPY * /new/",
    "glob-dangling": "COPY dangl* /new/",
    "glob-loop": "COPY loop* /new/",
    "glob-out-of-context": "COPY out* /new/",
    "glob-chain": "COPY chain* /new/",
    "glob-below-links": "COPY */one /new/",
    "glob-links-in-stage": "COPY --from=stage /*/two /new/",
    "glob-broken-in-stage": "COPY --from=stage /bro* /new/",
    "glob-literal-in-stage": "COPY --from=stage /src/d* /new/",
    # stages
    "stage-folder": "COPY --from=stage /src /new",
    "stage-folder-onto": "COPY --from=stage /src /ex/tree",
    "stage-root-contents": "COPY --from=stage / /new",
    "stage-file": "COPY --from=stage /src/one /new",
    "stage-link": "COPY --from=stage /src/link /new",
    "stage-dirlink": "COPY --from=stage /src/dirlink /new/",
    "stage-absolute": "COPY --from=stage /absolute /new/",
    "stage-through": "COPY --from=stage /absolute/two /new/",
    "stage-climbing": "COPY --from=stage /climbing/two /new/",
    "stage-broken": "COPY --from=stage /broken /new/",
    "stage-missing": "COPY --from=stage /missing/x /new/",
    "stage-fifo": "COPY --from=stage /src/fifo /new",
    "stage-hard": "COPY --from=stage /src/one /src/hard /new/",
    "stage-chown": "COPY --from=stage --chown=5:6 /src /new",
    "stage-chmod": "COPY --from=stage --chmod=750 /src /new",
    "stage-empty": "COPY --from=stage /src/empty /new/deeper/x",
    "stage-loop": f"RUN ln -s /loop /loop\nFROM {BASE} AS x\nCOPY --from={FINAL} /loop /new/",
    "stage-relative": "COPY --from=stage src/one new",
    "stage-replaced": "COPY --from=stage /src/deep /ex/tree/deep",
    # owners and modes
    "chown-name": "COPY --chown=web one /new/name",
    "chown-name-group": "COPY --chown=web:extra one /new/name",
    "chown-number": "COPY --chown=55 one /new/name",
    "chown-numbers": "COPY --chown=55:66 tree /new/name",
    "chown-number-known": "COPY --chown=1000 one /new/name",
    "chown-group-only": "COPY --chown=:extra one /new/name",
    "chown-number-name": "COPY --chown=55:extra one /new/name",
    "chown-unknown": "COPY --chown=nobody-here one /new/name",
    "chown-unknown-group": "COPY --chown=web:nothing-here one /new/name",
    "chown-unknown-with-group": "COPY --chown=nobody-here:extra one /new/name",
    "chown-number-unknown-group": "COPY --chown=55:nothing-here one /new/name",
    "chown-number-group": "COPY --chown=1000:extra one /new/name",
    "chown-on-scratch": f"FROM scratch AS z\nCOPY --chown=web one /new/name\nFROM {BASE}\nCOPY --from=z / /new/",
    "chown-onto-existing": "COPY --chown=55:66 tree /ex/tree",
    "chown-setuid": "COPY --chown=55:66 modes /new",
    "chown-links": "COPY --chown=55:66 links /new",
    "chmod-file": "COPY --chmod=640 one /new/name",
    "chmod-folder": "COPY --chmod=640 tree /new/name",
    "chmod-special-bits": "COPY --chmod=6755 tree /new",
    "chmod-onto-existing": "COPY --chmod=711 tree /ex/tree",
    "chmod-bad": "COPY --chmod=9 one /new",
    "chmod-links": "COPY --chmod=600 links /new",
    "chmod-context": "COPY --chmod=700 . /new",
    "chown-chmod": "COPY --chown=web --chmod=0400 one tree /new/",
    "user-does-not-own": "USER web\nCOPY one /new/name",
    # here-documents
    "heredoc": "COPY <<EOF /new/name\nhello\nEOF",
    "heredoc-folder": "COPY <<one.txt /new/\nhello\none.txt",
    "heredoc-two": "COPY <<one.txt <<two.txt /new/\nhello\none.txt\nthere\ntwo.txt",
    "heredoc-mixed": "COPY one <<two.txt tree /new/\nthere\ntwo.txt",
    "heredoc-chmod": "COPY --chmod=755 --chown=web <<EOF /new/name\nhello\nEOF",
    "heredoc-onto-link": "COPY <<EOF /dest/tofile\nhello\nEOF",
    "heredoc-onto-folder": "COPY <<EOF /dest/dir\nhello\nEOF",
    "heredoc-onto-dangling": "COPY <<EOF /dest/dangling\nhello\nEOF",
    "heredoc-add": "ADD <<EOF /new/name\nhello\nEOF",
    "heredoc-existing-mode": "RUN chmod 600 /dest/file\nCOPY <<EOF /dest/file\nhello\nEOF",
    # archives
    "add-tar": "ADD archives/plain.tar /new",
    "add-gz": "ADD archives/plain.tar.gz /new/",
    "add-bz2": "ADD archives/plain.tar.bz2 /new/",
    "add-xz": "ADD archives/plain.tar.xz /new/",
    "add-zst": "ADD archives/plain.tar.zst /new/",
    "add-named-otherwise": "ADD archives/disguised.txt /new/",
    "add-gz-of-text": "ADD archives/text.gz /new/",
    "add-empty-file": "ADD archives/empty.tar /new/",
    "add-empty-archive": "ADD archives/nothing.tar /new/",
    "add-onto-file": "ADD archives/plain.tar /dest/file",
    "add-onto-link": "ADD archives/plain.tar /dest/todir",
    "add-onto-existing": "ADD archives/plain.tar /ex/tree",
    "add-replacing": "ADD archives/replacing.tar /ex/tree",
    "add-corrupt": "ADD archives/corrupt.tar.gz /new/",
    "add-cut": "ADD archives/cut.tar /new/",
    "add-chown": "ADD --chown=55:66 archives/plain.tar /new/made",
    "add-chmod": "ADD --chmod=700 archives/plain.tar /new/made",
    "add-wild-names": "ADD archives/wild.tar /new/",
    "add-devices": "ADD archives/devices.tar /new/",
    "add-through-link": "ADD archives/throughlink.tar /new/",
    "add-whiteouts": "ADD archives/whiteouts.tar /ex/tree",
    "add-two": "ADD archives/plain.tar one /new/",
    "add-glob": "ADD archives/plain.tar* /new/",
    "add-folder-with-archive": "ADD archives/only /new/",
    "add-to-root": "ADD archives/plain.tar /",
    "add-file": "ADD one /new",
    "add-folder": "ADD tree /ex/tree",
    "copy-archive": "COPY archives/plain.tar.gz /new/",
    # linked layers
    "link-file": "COPY --link one /new/name",
    "link-onto-folder": "COPY --link one /ex/tree/",
    "link-folder-onto": "COPY --link tree /ex/tree",
    "link-below-link": "COPY --link one /dest/todir/name",
    "link-chown": "COPY --link --chown=55:66 tree /ex/new",
    "link-chown-name": "COPY --link --chown=web one /ex/new/",
    "link-chmod": "COPY --link --chmod=700 tree /ex/tree/sub",
    "link-stage": "COPY --link --from=stage /src /ex/tree",
    "link-over-file": "COPY --link one /dest/file",
    "link-over-folder": "COPY --link one /dest/dir",
    "link-relative": "WORKDIR /ex/tree\nCOPY --link one .",
    "link-add": "ADD --link archives/plain.tar /ex/tree",
    "link-heredoc": "COPY --link <<EOF /ex/tree/name\nhello\nEOF",
    "link-below-dangling": "COPY --link one /dest/dangling/name",
    "link-below-file": "COPY --link one /dest/file/name",
    "link-folder-onto-file": "COPY --link tree /dest/file",
    "link-folder-onto-link": "COPY --link tree /abslink",
    "link-over-link": "COPY --link one /dest/tofile",
    "link-over-dangling": "COPY --link one /dest/dangling",
    "link-pattern": "COPY --link glob/a*.md /dest/dir",
    "link-hard": "COPY --link hard /ex/tree",
    "link-to-root": "COPY --link tree /",
    "link-sticky": "RUN mkdir -m 1777 /sticky\nCOPY --link one two.txt /sticky/",
    "link-two": "COPY --link one /ex/tree/\nCOPY --link two.txt /ex/tree/\nRUN echo x >/ex/tree/x",
}

IGNORING: Final[dict[str, tuple[str, str]]] = {
    "ignore-plain": ("tree\n*.txt\n", "COPY . /new"),
    "ignore-exception": ("tree\n!tree/sub/file\n", "COPY . /new"),
    "ignore-exception-deep": ("*\n!tree/deep/er/leaf\n", "COPY . /new"),
    "ignore-exception-absent": ("tree\n!tree/nothing\n", "COPY . /new"),
    "ignore-all-but-folder": ("*\n!tree\n", "COPY . /new"),
    "ignore-stars": ("**/file\n", "COPY . /new"),
    "ignore-copied-itself": ("tree\n", "COPY tree /new"),
    "ignore-copied-inside": ("tree\n!tree/sub/file\n", "COPY tree/sub /new"),
    "ignore-file-named": ("one\n", "COPY one /new"),
    "ignore-glob": ("glob/a*\n", "COPY glob/* /new/"),
    "ignore-contents": ("tree/*\n", "COPY tree /new"),
    "ignore-re-excluded": ("tree\n!tree/sub\ntree/sub/file\n", "COPY . /new"),
    "ignore-all": ("*\n", "COPY . /new"),
    "ignore-all-twice": ("**\n", "COPY one /new"),
}


def make_context(folder: Path) -> None:
    """Everything in ``folder``, with modes and times that do not depend on who makes it."""
    _plain(folder)
    _links(folder)
    _special(folder)
    _archives(folder / "archives")
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(os.fsencode(path), (TIME, TIME), follow_symlinks=False)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _plain(folder: Path) -> None:
    for name in ("one", "two.txt", "tree/one", "tree/sub/file", "tree/deep/er/leaf", "glob/a.txt", "glob/b.txt"):
        _write(folder / name, f"{name}\n")
    for name in (
        "glob/c.txt",
        "glob/.hidden",
        "glob/..odd",
        "glob/[x]",
        "glob/ab.md",
        "glob/dir/in",
        "glob/dir/deep/x",
    ):
        _write(folder / name, f"{name}\n")
    (folder / "empty").mkdir()
    (folder / "tree/deep").chmod(0o701)
    for mode in (0o400, 0o4755, 0o2755, 0o1644, 0o7777):
        _write(folder / f"modes/f{mode:o}", f"{mode:o}", mode)
        (folder / f"modes/d{mode:o}").mkdir()
        (folder / f"modes/d{mode:o}").chmod(mode)
    os.chown(folder / "modes/f400", 1234, 4321)
    names = folder / "names"
    names.mkdir()
    for each in (
        b"new\nline",
        b"caf\xc3\xa9",
        b" lead",
        b"tab\there",
        b"quote\"s'",
        b"back\\slash",
        b"-dash",
        b"n" * 255,
    ):
        (names / os.fsdecode(each)).write_text("x")


def _links(folder: Path) -> None:
    for name, target in {
        "link": "one",
        "dirlink": "tree",
        "outlink": "../../../../../etc/passwd",
        "outabs": "/etc/passwd",
        "danglink": "nowhere",
        "looplink": "looplink",
        "chain1": "chain2",
        "chain2": "tree/sub/file",
    }.items():
        (folder / name).symlink_to(target)
    (folder / "links").mkdir()
    for name, target in {
        "rel": "../one",
        "abs": "/etc/passwd",
        "dir": "../tree",
        "dangling": "gone",
        "self": ".",
    }.items():
        (folder / "links" / name).symlink_to(target)


def _special(folder: Path) -> None:
    _write(folder / "hard/a", "hard\n")
    for name in ("hard/b", "hard/sub/c"):
        (folder / name).parent.mkdir(exist_ok=True)
        os.link(folder / "hard/a", folder / name)
    special = folder / "special"
    _write(special / "file", "x")
    os.mkfifo(special / "fifo", 0o640)
    os.mknod(special / "null", stat.S_IFCHR | 0o640, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{os.open(special, os.O_PATH)}/socket")
    _write(folder / "xattrs/user", "x")
    os.setxattr(folder / "xattrs/user", "user.note", b"hello")
    _write(folder / "xattrs/able", "x", 0o755)
    os.setxattr(
        folder / "xattrs/able", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000")
    )


def _archives(folder: Path) -> None:
    plain = archive(
        ("./", tarfile.DIRTYPE, 0o750, ""),
        ("file", tarfile.REGTYPE, 0o640, "file\n"),
        ("sub/", tarfile.DIRTYPE, 0o2711, ""),
        ("sub/inner", tarfile.REGTYPE, 0o4755, "inner\n"),
        ("unnamed/folder/leaf", tarfile.REGTYPE, 0o600, "leaf\n"),
        ("link", tarfile.SYMTYPE, 0o777, "sub/inner"),
        ("hard", tarfile.LNKTYPE, 0o640, "file"),
    )
    folder.mkdir()
    (folder / "plain.tar").write_bytes(plain)
    (folder / "plain.tar.gz").write_bytes(gzip.compress(plain, mtime=0))
    (folder / "plain.tar.bz2").write_bytes(bz2.compress(plain))
    (folder / "plain.tar.xz").write_bytes(lzma.compress(plain))
    (folder / "plain.tar.zst").write_bytes(zstandard.ZstdCompressor().compress(plain))
    (folder / "disguised.txt").write_bytes(gzip.compress(plain, mtime=0))
    (folder / "text.gz").write_bytes(gzip.compress(b"only text\n", mtime=0))
    (folder / "empty.tar").write_bytes(b"")
    (folder / "nothing.tar").write_bytes(archive())
    whole = gzip.compress(plain + bytes(os.urandom(0)), mtime=0)
    (folder / "corrupt.tar.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.tar").write_bytes(archive(("long", tarfile.REGTYPE, 0o644, "x" * 9000))[:2048])
    for name, entries in _ODD.items():
        (folder / name).write_bytes(archive(*entries))
    (folder / "only").mkdir()
    (folder / "only/inside.tar").write_bytes(plain)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


_Entry = tuple[str, bytes, int, str]
_ODD: Final[dict[str, tuple[_Entry, ...]]] = {
    "replacing.tar": (
        ("one", tarfile.REGTYPE, 0o600, "new\n"),
        ("sub", tarfile.REGTYPE, 0o644, "now a file\n"),
        ("deep/", tarfile.DIRTYPE, 0o755, ""),
        ("deep/x", tarfile.REGTYPE, 0o644, "x"),
    ),
    "wild.tar": (
        ("/absolute", tarfile.REGTYPE, 0o644, "a"),
        ("a/../dots", tarfile.REGTYPE, 0o644, "b"),
        ("../climbing", tarfile.REGTYPE, 0o644, "c"),
    ),
    "devices.tar": (
        ("null", tarfile.CHRTYPE, 0o666, "1:3"),
        ("disk", tarfile.BLKTYPE, 0o640, "8:1"),
        ("pipe", tarfile.FIFOTYPE, 0o644, ""),
    ),
    "throughlink.tar": (
        ("out", tarfile.SYMTYPE, 0o777, "/dest/dir"),
        ("out/through", tarfile.REGTYPE, 0o644, "x"),
    ),
    "whiteouts.tar": (
        (".wh.one", tarfile.REGTYPE, 0o644, ""),
        ("sub/.wh..wh..opq", tarfile.REGTYPE, 0o644, ""),
        ("other", tarfile.REGTYPE, 0o644, "x"),
    ),
}


def archive(*entries: _Entry) -> bytes:
    """A tar: name, type, mode, and the content, link's target or device. Owner 21:22, time :data:`TIME`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in _infos(entries):
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def _infos(entries: Iterable[_Entry]) -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    for name, kind, mode, held in entries:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, 21, 22, TIME
        content = held.encode() if kind == tarfile.REGTYPE else b""
        info.size = len(content)
        if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info.linkname = held
        elif kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            info.devmajor, info.devminor = map(int, held.split(":"))
        yield info, content
