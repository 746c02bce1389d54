"""Images of one program, made on the spot: ``hello-world`` and ``busybox``."""

import asyncio
import shutil
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from pier.errors import Unsupported
from pier.images.hello import executable
from pier.images.tinytar import tar_of
from pier.linux import process
from pier.oci.platform import host_platform

_FOLDERS: Final = {
    "bin": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "root": 0o700,
    "tmp": 0o1777,
    "usr/bin": 0o755,
    "var": 0o755,
}
_ACCOUNTS: Final = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}
_SHELLS: Final = ("/bin/busybox", "/usr/bin/busybox")
_INTERPRETER: Final = 3


async def hello_world_tar() -> bytes:
    """A root file system with the one program ``/hello``."""
    return tar_of({"hello": (0o755, executable(host_platform().architecture))}, {}, {})


async def busybox_tar() -> bytes:
    """A root file system of the host's own static busybox with all its applets. Raises Unsupported."""
    program = shutil.which("busybox", path=":".join(str(Path(path).parent) for path in _SHELLS))
    if program is None:
        raise Unsupported("busybox is not installed on this host: install the package busybox-static")
    data = await asyncio.to_thread(Path(program).read_bytes)
    if is_dynamic(data):
        raise Unsupported(f"{program} is not static, and would not run in an empty image: install busybox-static")
    listed = await process.run([program, "--list"])
    applets = [name for name in listed.stdout.decode().split() if "/" not in name]
    links = {f"bin/{name}": "busybox" for name in applets if name != "busybox"}
    files = {"bin/busybox": (0o755, data), **{name: (0o644, text) for name, text in _ACCOUNTS.items()}}
    return tar_of(files, links, _FOLDERS)


def is_dynamic(program: bytes) -> bool:
    """Whether an ELF executable asks for a loader (PT_INTERP in elf(5)); True for what is no 64-bit ELF."""
    if program[:5] != b"\x7fELF\x02":
        return True
    (offset,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    kinds = [struct.unpack_from("<I", program, offset + index * size)[0] for index in range(count)]
    return _INTERPRETER in kinds


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """``data`` as a stream."""
    for start in range(0, len(data), 1 << 18):
        yield data[start : start + (1 << 18)]
