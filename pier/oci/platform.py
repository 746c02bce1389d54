"""Platforms: ``os/architecture[/variant]``, and which of them this host runs."""

import platform as _host
from typing import Final

import msgspec

from pier.errors import InvalidArgument

_ARCHITECTURES: Final = {
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
_IMPLIED_VARIANT: Final = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_RUNS_TOO: Final = {"amd64": ("386",), "arm64": ("arm",)}


class Platform(msgspec.Struct, frozen=True, omit_defaults=True, rename={"os_version": "os.version"}):
    """Where an image runs. Empty fields say nothing."""

    architecture: str = ""
    os: str = ""
    os_version: str = ""
    variant: str = ""

    def matches(self, other: "Platform") -> bool:
        """Whether an image for ``other`` is what was asked for with ``self`` (implied variants included)."""
        return (
            self.os == other.os
            and self.architecture == other.architecture
            and (not self.variant or _variant(self) == _variant(other))
        )

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def _variant(platform: Platform) -> str:
    return platform.variant or _IMPLIED_VARIANT.get(platform.architecture, "")


def parse_platform(text: str) -> Platform:
    """``linux/arm64/v8``, ``linux/amd64``, or only an architecture; InvalidArgument otherwise."""
    parts = text.strip().lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(part.replace("_", "").replace("-", "").isalnum() for part in parts):
        raise InvalidArgument(
            f'"{text}": unknown operating system or architecture: platform specifier component must match '
            '"^[A-Za-z0-9_.-]+$": invalid argument'
        )
    if len(parts) == 1:
        if parts[0] == "linux":
            return host_platform()
        parts.insert(0, "linux")
    architecture, _, implied = _ARCHITECTURES.get(parts[1], parts[1]).partition("/")
    variant = parts[2] if len(parts) == 3 else implied
    return Platform(architecture, parts[0], "", "" if (architecture, variant) == ("arm64", "v8") else variant)


def host_platform() -> Platform:
    """The platform of this machine."""
    machine = _host.machine()
    architecture, _, variant = _ARCHITECTURES.get(machine, machine).partition("/")
    return Platform(architecture, "linux", "", variant)


def runnable(host: Platform) -> tuple[Platform, ...]:
    """What ``host`` can run, best first: an index's manifest is chosen in this order."""
    return (host, *(Platform(architecture, host.os) for architecture in _RUNS_TOO.get(host.architecture, ())))
