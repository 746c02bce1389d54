"""The program of ``hello-world`` (pure): a static ELF executable of some hundred bytes that says its text.

Layout: ELF header, one program header, code, text; loaded as one read-only, executable segment. The code is
write(1, text, length) and exit(0) in the machine's own instructions (syscalls(2), elf(5)).
"""

import struct
from typing import Final

from pier.errors import Unsupported

TEXT: Final = """
Hello from Pier: a container has just run on this machine.

 - The daemon, pierd, took your request and mounted the one layer of the image "hello-world".
 - The container got namespaces, a cgroup and, unless you said otherwise, a network of its own.
 - An OCI runtime started the only program in it, some hundred bytes of machine code.
 - What it wrote went through its supervisor, conmon, to you.

Next, a whole distribution:

    pier image bootstrap debian
    pier run -it debian bash

"""

_BASE: Final = 0x400000
_HEADERS: Final = 64 + 56
_MACHINES: Final = {"amd64": 62, "arm64": 183}


def executable(architecture: str, text: str = TEXT) -> bytes:
    """The program for ``architecture``. Raises Unsupported for one whose instructions are not known here."""
    data = text.encode()
    if architecture == "amd64":
        code = _amd64(len(data))
    elif architecture == "arm64":
        code = _arm64(len(data))
    else:
        raise Unsupported(f"there is no hello-world for {architecture} yet: try `pier image bootstrap busybox`")
    size = _HEADERS + len(code) + len(data)
    entry = _BASE + _HEADERS
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, _MACHINES[architecture], 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + code + data


def _amd64(length: int) -> bytes:
    before = b"\xb8" + struct.pack("<I", 1) + b"\xbf" + struct.pack("<I", 1)  # eax = write, edi = stdout
    after = b"\xba" + struct.pack("<I", length) + b"\x0f\x05"  # edx = length; syscall
    after += b"\xb8" + struct.pack("<I", 60) + b"\x31\xff\x0f\x05"  # eax = exit, edi = 0; syscall
    return before + b"\x48\x8d\x35" + struct.pack("<i", len(after)) + after  # rsi = what follows the code


def _arm64(length: int) -> bytes:
    if length > 0xFFFF:
        raise Unsupported("the text is too long")

    def movz(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    words = [movz(0, 1), 0, movz(2, length), movz(8, 64), 0xD4000001, movz(0, 0), movz(8, 93), 0xD4000001]
    offset = (len(words) - 1) * 4  # from the adr to the text
    words[1] = 0x10000000 | (offset & 3) << 29 | (offset >> 2) << 5 | 1
    return struct.pack(f"<{len(words)}I", *words)
