"""Platforms of a build, and the variables that tell of them (pure)."""

from collections.abc import Sequence

import msgspec

from pier.errors import InvalidArgument
from pier.oci.platform import Platform, parse_platform


class Platforms(msgspec.Struct, frozen=True):
    """``build``: where steps run. ``target``: what the image is for. ``default``: nobody asked for the target."""

    build: Platform
    target: Platform
    default: bool = False


def read_platform(text: str) -> Platform:
    """InvalidArgument in BuildKit's words."""
    try:
        return parse_platform(text)
    except InvalidArgument as error:
        if text.count("/") > 2:
            reason = f'"{text}": cannot parse platform specifier: invalid argument'
            raise InvalidArgument(f"failed to parse platform {text}: {reason}") from error
        raise InvalidArgument(f"failed to parse platform {text}: {error}") from error


def wanted_platforms(texts: Sequence[str], host: Platform) -> list[Platforms]:
    """One for each image that is to come out, in the order asked for."""
    if not texts:
        return [Platforms(host, host, default=True)]
    return [Platforms(host, target) for target in dict.fromkeys(read_platform(text) for text in texts)]


def platform_variables(platforms: Platforms) -> dict[str, str]:
    """The automatic ARGs: there in FROM, and in a stage that declares them."""
    found: dict[str, str] = {}
    for prefix, platform in (("BUILD", platforms.build), ("TARGET", platforms.target)):
        found[f"{prefix}PLATFORM"] = str(platform)
        found[f"{prefix}OS"] = platform.os
        found[f"{prefix}OSVERSION"] = platform.os_version
        found[f"{prefix}ARCH"] = platform.architecture
        found[f"{prefix}VARIANT"] = platform.variant
    return found


def shown_platform(own: Platform, target: Platform) -> str:
    """``linux/amd64``, and where a stage is not for the target's platform ``linux/amd64->arm64``."""
    if own == target:
        return str(own)
    return f"{own}->{str(target).removeprefix(own.os + '/')}"
