"""Which foreign platforms this kernel runs: what is registered in binfmt_misc, and what the processor does itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pier.oci.platform import Platform, runnable

REGISTERED: Final = Path("/proc/sys/fs/binfmt_misc")
_ELF: Final = bytes.fromhex("7f454c46")
_MACHINES: Final = {
    ("386", ""): (1, 1, 3),
    ("amd64", ""): (2, 1, 62),
    ("arm", ""): (1, 1, 40),
    ("arm64", ""): (2, 1, 183),
    ("loong64", ""): (2, 1, 258),
    ("mips64", ""): (2, 2, 8),
    ("mips64le", ""): (2, 1, 8),
    ("ppc64le", ""): (2, 1, 21),
    ("riscv64", ""): (2, 1, 243),
    ("s390x", ""): (2, 2, 22),
}
"""ELF's class (1: 32 bits), byte order (1: little) and machine (elf.h)."""


def can_run(platform: Platform, host: Platform, registered: Path = REGISTERED) -> bool:
    """Whether a step for ``platform`` can run here."""
    if platform.os != host.os:
        return False
    if any(platform.architecture == each.architecture for each in runnable(host)):
        return True
    machine = _MACHINES.get((platform.architecture, ""))
    return machine is not None and any(_is_for(entry, machine) for entry in _entries(registered))


def _entries(registered: Path) -> Iterable[str]:
    """The texts of what is registered (kernel's admin-guide/binfmt-misc)."""
    try:
        if (registered / "status").read_text().strip() != "enabled":
            return
        for path in registered.iterdir():
            if path.name not in ("register", "status"):
                yield path.read_text()
    except OSError:
        return


def _is_for(entry: str, machine: tuple[int, int, int]) -> bool:
    """Only an interpreter that the kernel holds open (flag F) is found from inside a step's root folder."""
    lines = entry.splitlines()
    fields = dict(line.split(" ", 1) for line in lines if " " in line)
    if "enabled" not in lines or "F" not in fields.get("flags:", ""):
        return False
    magic = bytes.fromhex(fields.get("magic", "").strip())
    if not magic.startswith(_ELF) or len(magic) < 20 or fields.get("offset", "0") != "0":
        return False
    order = "little" if magic[5] == 1 else "big"
    return (magic[4], magic[5], int.from_bytes(magic[18:20], order)) == machine  # type: ignore[arg-type]  # both literal
