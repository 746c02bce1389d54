"""Receivers' addresses, which may have secrets in them, in words that show none."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from pier.errors import InvalidArgument
from pier.registry.settings import Webhook

TIMEOUT: Final = 10
"""Seconds that a receiver has."""


def check(hooks: Sequence[Webhook]) -> None:
    """Raises InvalidArgument for webhooks without sense."""
    if len({hook.name for hook in hooks}) < len(hooks):
        raise InvalidArgument("two webhooks have the same name")
    for hook in hooks:
        if not _is_address(hook.url):
            raise InvalidArgument(f"webhook {hook.name}: its url is no address")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def reason(error: Exception) -> str:
    """Why nobody was told. Many of aiohttp's errors say the whole address."""
    match error:
        case TimeoutError():
            return f"the receiver has not answered within {TIMEOUT} s"
        case aiohttp.ServerDisconnectedError():
            return "the receiver has closed the connection without an answer"
        case aiohttp.ClientOSError():  # of addresses it says host and port
            return str(error)
        case aiohttp.ClientResponseError():
            return "what the receiver answers is no HTTP"
    return type(error).__name__
