"""Errors as the user reads them."""

from __future__ import annotations

from pier.client.failures import Answer
from pier.errors import PierError

DAEMON = "Error response from daemon: "


def sentence(error: PierError) -> str:
    """What the daemon answered is marked as such; the rest speaks for itself."""
    return f"{DAEMON}{error}" if isinstance(error, Answer) else str(error)
