"""``--platform`` as the API takes it where it wants JSON (pure but for this machine's architecture)."""

from __future__ import annotations

import os

from pier.cli.command import Failure
from pier.client.jsontext import encode
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.call import Call


def platform_json(text: str) -> str:
    """``linux/arm64`` as ``{"architecture": ..., "os": ...}``; "" stays. Raises InvalidArgument."""
    if not text:
        return ""
    from pier.oci.platformtext import ARCHITECTURES, split_platform

    machine = os.uname().machine
    system, architecture, variant, version = split_platform(text, ARCHITECTURES.get(machine, machine).partition("/")[0])
    parts = (("architecture", architecture), ("os", system), ("os.version", version), ("variant", variant))
    return encode({name: value for name, value in parts if value})


def given_platform(call: Call, wrong: str = "invalid platform: ") -> str:
    """The flag ``--platform`` of ``call`` as JSON. Raises Failure, ``wrong`` before the reason."""
    try:
        return platform_json(call.text("platform"))
    except InvalidArgument as error:
        raise Failure(f"{wrong}{error}") from error
