"""What each of the cases of ``copy_cases`` comes to: every path that the copy changes, or how it fails.

The real Docker's pictures are taken with

    DOCKER_HOST=unix:///var/run/docker.sock python -m tests.compat.copy_pictures [CASE...]
"""

import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.compat.copy_cases import BASE, CASES, FINAL, HEAD, IGNORING, TIME, make_context
from tests.compat.docker_cli import Docker
from tests.compat.rootfs import busybox_rootfs

PICTURES: Final = Path(__file__).with_name("copy_cases.json")
_STUBS: Final = ("dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".dockerenv")
_LONG_AGO: Final = 1_500_000_000
_AT_ONCE: Final = 4
Picture = dict[str, str]


def base() -> bytes:
    """The test image, with accounts, and all its times the same."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(busybox_rootfs())) as old, tarfile.open(fileobj=made, mode="w") as new:
        for info in old:
            file = old.extractfile(info) if info.isreg() else None
            content = file.read() if file else b""
            if info.name.removeprefix("./") in ("etc/passwd", "etc/group"):
                continue
            info.mtime = TIME - 100_000_000
            new.addfile(info, io.BytesIO(content))
        for name, text in {
            "etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/:/bin/sh\n",
            "etc/group": "root:x:0:\nweb:x:1001:\nextra:x:2000:web\n",
        }.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text), TIME - 100_000_000
            new.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()


def changes(builder: Docker, case: str, unchanged: Picture) -> Picture:
    """Only what differs from ``unchanged``, the picture of no copy at all."""
    found = picture(builder, case)
    if "error" in found:
        return found
    every = sorted(found | unchanged)
    return {name: found.get(name, "gone") for name in every if found.get(name) != unchanged.get(name)}


def picture(builder: Docker, case: str) -> Picture:
    """Build it. Times that are none of the fixed ones are ``now``.

    The context is a new one: a folder that BuildKit has synchronised before keeps times of what was in it then.
    """
    ignore, steps = IGNORING.get(case) or ("", CASES.get(case, ""))
    with tempfile.TemporaryDirectory(prefix="copy-cases-") as apart:
        context, file = Path(apart, "context"), Path(apart, "Dockerfile")
        context.mkdir()
        make_context(context)
        file.write_text(HEAD + steps + "\n")
        Path(apart, "Dockerfile.dockerignore").write_text(ignore)
        flags = ("--no-cache-filter", FINAL, "-o", f"type=tar,dest={apart}/tar", "-f", str(file))
        done = builder("build", *flags, str(context), code={0, 1}, timeout=120)
        return {"error": _error(done.err)} if done.code else tree(Path(apart, "tar"))


def tree(made: Path) -> Picture:
    with tarfile.open(made, errors="surrogateescape") as tar:
        lines = {info.name: _line(tar, info) for info in tar}
    return {name: line for name, line in lines.items() if not _dull(name)}


def _dull(name: str) -> bool:
    name = name.removeprefix("new/")
    return (
        name == "etc" or name.startswith(("bin/", "sbin/", "usr/", *(f"{each}/" for each in _STUBS))) or name in _STUBS
    )


def _line(tar: tarfile.TarFile, info: tarfile.TarInfo) -> str:
    """Without ``user.`` attributes: buildx sends those of a context's files, and the other clients do not."""
    kind = next(name for name in ("isreg", "isdir", "issym", "islnk", "isfifo", "isdev") if getattr(info, name)())
    content = tar.extractfile(info) if info.isreg() else None
    held = hashlib.sha256(content.read()).hexdigest()[:8] if content else info.linkname
    if info.isdev() and not info.isfifo():
        held = f"{info.devmajor}:{info.devminor}"
    found = {key.removeprefix("SCHILY.xattr."): value for key, value in info.pax_headers.items() if "xattr." in key}
    xattrs = "".join(f" {key}={value!r}" for key, value in found.items() if not key.startswith("user."))
    when = "now" if info.mtime > _LONG_AGO else str(int(info.mtime))
    return f"{kind[2:]} {info.mode:o} {info.uid}:{info.gid} {when} {held}{xattrs}".strip()


def _error(text: str) -> str:
    """The last line, without what is random or a matter of the client."""
    last = [line for line in text.splitlines() if line.startswith("ERROR: ")][-1:] or text.splitlines()[-1:]
    found = re.sub(r"ref [a-z0-9-]{20,}(::[a-z0-9]+)?", "ref R", last[0])
    found = re.sub(
        r"/\S*/(?:buildkit|overlay2|snapshots|tmp)\S*?/(?:merged|root|mount|fs|buildkit-mount\d+)(?=/|:|\s|$)",
        "",
        found,
    )
    return found.removeprefix("ERROR: ").replace("rpc error: code = Unknown desc = ", "")


def import_base(cli: Docker) -> None:
    cli("import", "-c", 'CMD ["sh"]', "-c", "ENV PATH=/bin:/sbin:/usr/bin:/usr/sbin", "-", BASE, stdin=base())


@contextmanager
def taking(builder: Docker, cli: Docker, cases: Iterable[str]) -> Iterator[dict[str, Future[Picture]]]:
    """The pictures of ``cases``, some at a time; what was not begun when the block is left is not."""
    import_base(cli)
    unchanged = picture(builder, "")
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield {case: pool.submit(changes, builder, case, unchanged) for case in cases}
    finally:
        pool.shutdown(cancel_futures=True)
        cli("rmi", "-f", BASE)


def _settled(taken: Picture, before: Picture) -> Picture:
    """BuildKit sets a folder's time while it still writes files into it, so that it is lost now and then."""

    def lost(line: str) -> bool:
        return line.startswith("dir ") and line.endswith(" now")

    return {path: before.get(path, line) if lost(line) else line for path, line in taken.items()}


def main() -> None:
    program = shutil.which("docker") or "docker"
    cli = Docker(program, os.environ["DOCKER_HOST"], Path(os.environ.get("DOCKER_CONFIG", "/root/.docker")), "pictures")
    found = json.loads(PICTURES.read_text()) if PICTURES.exists() else {}
    with taking(cli, cli, sys.argv[1:] or [*CASES, *IGNORING]) as taken:
        for case, future in taken.items():
            found[case] = _settled(future.result(), found.get(case, {}))
    PICTURES.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
