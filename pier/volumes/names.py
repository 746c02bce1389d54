"""What a volume may be called, and what its options may be. Pure; messages are Docker's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument, Unsupported
from pier.linux.mount import Mount

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_LONGEST: Final = 255
_OPTIONS: Final = ("type", "o", "device")
_REQUIRED: Final = ("device", "type")


def check_name(name: str) -> None:
    """InvalidArgument where ``name`` cannot be a folder's name on every host."""
    if len(name) < 2:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.match(name):
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if len(name) > _LONGEST:
        raise InvalidArgument(
            f"create {name[:20]}...: volume name is too long, at most {_LONGEST} characters are allowed"
        )


def check_options(name: str, options: Mapping[str, str]) -> None:
    """InvalidArgument where ``options`` do not say what to mount."""
    for key in options:
        if key == "size":
            raise Unsupported(f"create {name}: quota size requested but no quota support")
        if key not in _OPTIONS:
            raise InvalidArgument(f'create {name}: invalid option: "{key}"')
    for key in _REQUIRED:
        if options and not options.get(key):
            raise InvalidArgument(f'create {name}: missing required option: "{key}"')


def mount_of(options: Mapping[str, str], target: Path) -> Mount | None:
    """What is mounted at ``target`` while the volume is used; None for a plain folder."""
    if not options:
        return None
    words = tuple(word for word in options.get("o", "").split(",") if word)
    return Mount(options["type"], options["device"], target, words)
