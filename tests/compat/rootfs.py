"""A root file system for tests: the host's static busybox with a link for each applet, 2 MB, no network needed."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path

EPOCH = 1_700_000_000
FOLDERS = ("bin", "etc", "proc", "sys", "dev", "root", "home", "home/web", "data", "www", "var", "var/run", "usr")
FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/home/web:/bin/sh\n",
    "etc/group": b"root:x:0:\nweb:x:1000:\nextra:x:2000:web\n",
    "data/seed": b"seed\n",
    "www/index.html": b"hello from the image\n",
}


def entry(name: str, kind: bytes, mode: int, *, target: str = "", size: int = 0, uid: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, target, size, EPOCH
    info.uid = info.gid = uid
    return info


def pack(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """The tar of ``members``, in their order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@cache
def busybox_rootfs() -> bytes:
    """The tar: ``/bin`` with all applets, a user ``web`` (1000) who owns ``/data``, and a page in ``/www``."""
    program = shutil.which("busybox")
    assert program, "busybox-static is not installed: run scripts/setup --test"
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    owners = {"data": 1000, "home/web": 1000}
    members = [(entry(name, tarfile.DIRTYPE, 0o755, uid=owners.get(name, 0)), b"") for name in FOLDERS]
    members.append((entry("tmp", tarfile.DIRTYPE, 0o1777), b""))
    members.append((entry("bin/busybox", tarfile.REGTYPE, 0o755), Path(program).read_bytes()))
    members += [
        (entry(f"bin/{applet}", tarfile.SYMTYPE, 0o777, target="busybox"), b"")
        for applet in applets
        if applet != "busybox"
    ]
    members += [
        (entry(name, tarfile.REGTYPE, 0o644, uid=owners.get(name.split("/")[0], 0)), data)
        for name, data in FILES.items()
    ]
    return pack(members)


def host_programs(*names: str, **files: bytes) -> bytes:
    """The tar of programs of this host and the libraries that they need, where they lie; and of files in ``/etc``."""
    programs = [shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or name for name in names]
    listed = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    paths = sorted({*programs, *re.findall(r"(/\S+) \(0x", listed)})
    members = [(entry(path[1:], tarfile.REGTYPE, 0o755), Path(path).read_bytes()) for path in paths]
    return pack(members + [(entry(f"etc/{name}", tarfile.REGTYPE, 0o644), data) for name, data in files.items()])
