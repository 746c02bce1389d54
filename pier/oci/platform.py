"""Platforms: ``os/architecture[/variant]``, and which of them this host runs."""

import platform as _host
from typing import Final

import msgspec

from pier.oci.platformtext import ARCHITECTURES, split_platform

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
    system, architecture, variant, version = split_platform(text.strip(), host_platform().architecture)
    return Platform(architecture, system, version, variant)


def host_platform() -> Platform:
    """The platform of this machine."""
    machine = _host.machine()
    architecture, _, variant = ARCHITECTURES.get(machine, machine).partition("/")
    return Platform(architecture, "linux", "", variant)


def runnable(host: Platform) -> tuple[Platform, ...]:
    """What ``host`` can run, best first: an index's manifest is chosen in this order."""
    return (host, *(Platform(architecture, host.os) for architecture in _RUNS_TOO.get(host.architecture, ())))
