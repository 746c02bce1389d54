"""The pairs of operating system and architecture that a manifest list may name (pure)."""

from __future__ import annotations

ARCHITECTURES = {
    "darwin": "386 amd64 arm arm64",
    "dragonfly": "amd64",
    "freebsd": "386 amd64 arm",
    "linux": "386 amd64 arm arm64 mips64 mips64le ppc64le riscv64 s390x",
    "netbsd": "386 amd64 arm",
    "openbsd": "386 amd64 arm",
    "plan9": "386 amd64",
    "solaris": "amd64",
    "windows": "386 amd64",
}


def is_known(os: str, architecture: str) -> bool:
    return architecture in ARCHITECTURES.get(os, "").split()
