"""How long to wait before asking again (pure but for its jitter)."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pier.remote.settings import Settings


def pause(settings: Settings, attempt: int, asked: str = "") -> float:
    """Seconds after the failed ``attempt`` (from 1); never less than ``asked``, a Retry-After header."""
    delay: float = min(settings.first_delay * 2.0 ** (attempt - 1), settings.longest_delay / 1.25)
    return max(retry_after(asked), delay * random.uniform(0.75, 1.25))


def retry_after(text: str) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110 section 10.2.3); 0 where it cannot be read."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
