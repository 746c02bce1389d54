"""Platforms: ``os/architecture[/variant]``, and which of them this host runs."""

import platform as _host
from typing import Final

import msgspec

from pier.oci.platformtext import ARCHITECTURES, split_platform

_IMPLIED_VARIANT: Final = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_RUNS_TOO: Final = {"amd64": ("386",), "arm64": ("arm",)}
_LADDERS: Final = {
    "amd64": ("v4", "v3", "v2", "v1"),
    "arm": ("v8", "v7", "v6", "v5"),
    "arm64": ("v9", "v8"),
}
"""Variants, each of which runs what is for those after it."""


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

    def accepts(self, other: "Platform") -> bool:
        """Whether an image for ``other`` will do where ``self`` was asked for: one that runs there."""
        return any(platform.matches(other) for platform in runnable(self))

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
    lesser = _ladder(host)[1:] if host.variant else ()
    others = _RUNS_TOO.get(host.architecture, ())
    return (
        host,
        *(Platform(host.architecture, host.os, "", variant) for variant in lesser),
        *(Platform(architecture, host.os) for architecture in others),
    )


def distance(wanted: Platform, offered: Platform) -> int:
    """How far from the best an image for ``offered`` is, of those that match ``wanted``."""
    ladder, variant = _ladder(wanted), _variant(offered)
    return ladder.index(variant) if variant in ladder else len(ladder)


def _ladder(platform: Platform) -> tuple[str, ...]:
    """The variants that run there, best first."""
    known, own = _LADDERS.get(platform.architecture, ()), _variant(platform)
    return known[known.index(own) :] if own in known else (own,)
