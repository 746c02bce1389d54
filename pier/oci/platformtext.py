"""``os[/architecture[/variant]]`` as a user writes it, taken apart (pure, and without msgspec: the client has none).

Names are normalised as containerd does it; error texts are its too.
"""

import re
from typing import Final

from pier.errors import InvalidArgument

ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "i386": "386",
    "i686": "386",
    "aarch64": "arm64",
    "armv7l": "arm/v7",
    "armv6l": "arm/v6",
    "armhf": "arm/v7",
    "armel": "arm/v6",
}
"""What a machine or a user calls an architecture, where that is not its name here."""

_SYSTEMS: Final = (
    "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos"
)
_KNOWN: Final = (
    "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 "
    "ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm"
)
_COMPONENT: Final = re.compile(r"[A-Za-z0-9_.-]+")
_SYSTEM: Final = re.compile(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?")
_SYSTEM_RULE: Final = r'"^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.-]*)\\))?$"'
_COMPONENT_RULE: Final = '"^[A-Za-z0-9_.-]+$"'

Parts = tuple[str, str, str, str]
"""Operating system, architecture, variant, version of the operating system; "" for what is not said."""


def split_platform(text: str, host: str) -> Parts:
    """``linux/arm64/v8`` in parts; ``host`` is this machine's architecture, for a text that names only a system.

    Raises InvalidArgument.
    """
    if "*" in text:
        raise _invalid(text, "wildcards not yet supported")
    system, *rest = text.split("/")
    matched = _SYSTEM.fullmatch(system)
    if matched is None:
        what = f'"{system}" is an invalid OS component of "{text}": OSAndVersion specifier component must match'
        raise InvalidArgument(f"{what} {_SYSTEM_RULE}: invalid argument")
    for part in rest:
        if not _COMPONENT.fullmatch(part):
            what = f'"{part}" is an invalid component of "{text}": platform specifier component must match'
            raise InvalidArgument(f"{what} {_COMPONENT_RULE}: invalid argument")
    if len(rest) > 2:
        raise _invalid(text, "cannot parse platform specifier")
    return _normal(text, matched[1], matched[2] or "", [part.lower() for part in rest], host)


def _normal(text: str, written: str, version: str, rest: list[str], host: str) -> Parts:
    system = written.lower().replace("macos", "darwin")
    if rest:
        architecture, variant = _architecture(rest[0])
        return system, architecture, _variant(architecture, rest[1] if len(rest) == 2 else variant), version
    if system in _SYSTEMS.split():
        return system, *_architecture(host), version
    architecture, variant = _architecture(system)
    if architecture not in _KNOWN.split():
        raise _invalid(text, "unknown operating system or architecture")
    return "linux", architecture, variant, ""


def _architecture(name: str) -> tuple[str, str]:
    architecture, _, implied = ARCHITECTURES.get(name, name).partition("/")
    return architecture, implied


def _variant(architecture: str, variant: str) -> str:
    """The variant by its usual name; "" for the one that the architecture implies."""
    if architecture in ("arm", "arm64") and variant.isdecimal():
        variant = f"v{variant}"
    return "" if (architecture, variant) in (("arm64", "v8"), ("amd64", "v1")) else variant


def _invalid(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(f'"{text}": {why}: invalid argument')
