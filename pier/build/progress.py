"""What a build tells of itself (contract).

A vertex is announced, starts, logs, has statuses (a download, a transfer), and completes: the events carry whole
states, the newest wins, as in BuildKit's ``StatusResponse``. Times are nanoseconds since 1970, 0 for not yet.
"""

from collections.abc import Callable

import msgspec

from pier.build.dockerfile.ast import Warning


class VertexState(msgspec.Struct, frozen=True, tag="vertex", omit_defaults=True):
    """``error``: why it failed, one or more lines. ``cancelled`` ones have ``context canceled``."""

    id: str
    name: str
    inputs: tuple[str, ...] = ()
    started: int = 0
    completed: int = 0
    cached: bool = False
    error: str = ""


class StatusState(msgspec.Struct, frozen=True, tag="status", omit_defaults=True):
    """A part of a vertex's work, ``name`` as shown (``transferring context:``); bytes, ``total`` 0 if not known."""

    vertex: str
    id: str
    name: str
    current: int = 0
    total: int = 0
    started: int = 0
    completed: int = 0


class LogPiece(msgspec.Struct, frozen=True, tag="log", omit_defaults=True):
    """Output of a step; ``stream`` is 1 or 2."""

    vertex: str
    stream: int
    data: bytes
    time: int


class LintWarning(msgspec.Struct, frozen=True, tag="warning", omit_defaults=True):
    """``source``: the text of the file that ``warning.location`` names, so that its lines can be shown."""

    vertex: str
    warning: Warning
    source: str = ""


Event = VertexState | StatusState | LogPiece | LintWarning

Progress = Callable[[Event], None]
"""Called on the loop; must not block."""
