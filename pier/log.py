"""Structured logging: one line an event, ``time level message key=value ...``, on standard error."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}


class _LineFormatter(logging.Formatter):
    """Renders a record in logfmt, as dockerd does: ``time="…" level=info msg="…" container=…``."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = {"warning": "warn", "critical": "fatal"}.get(record.levelname.lower(), record.levelname.lower())
        fields: dict[str, Any] = getattr(record, "fields", {})
        parts = [f'time="{stamp}.{int(record.msecs):03d}Z"', f"level={level}", f"msg={_quote(record.getMessage())}"]
        parts += [f"{key}={_quote(str(value))}" for key, value in fields.items()]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _quote(text: str) -> str:
    if text and all(ch.isalnum() or ch in "-_./:@+" for ch in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():  # whoever sends it shall neither begin a line nor speak to a terminal
        escaped = "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in escaped)
    return f'"{escaped}"'


def configure(level: str) -> None:
    """Send the ``pier`` logger tree to standard error at ``level`` (a key of :data:`LEVELS`)."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter())
    root = logging.getLogger("pier")
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    root.propagate = False


class Logger:
    """A named logger whose keyword arguments become fields of the line."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, **fields: Any) -> None:
        self._logger.debug(message, extra={"fields": fields})

    def info(self, message: str, **fields: Any) -> None:
        self._logger.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: Any) -> None:
        self._logger.warning(message, extra={"fields": fields})

    def error(self, message: str, **fields: Any) -> None:
        self._logger.error(message, extra={"fields": fields})

    def exception(self, message: str, **fields: Any) -> None:
        """Log at error level with the current exception's traceback."""
        self._logger.error(message, exc_info=True, extra={"fields": fields})


_tracer: Callable[[str], None] | None = None


def trace(point: str) -> None:
    """Name a point that matters to crash safety, ``snapshot:committed``: tests stop or kill there."""
    if _tracer is not None:
        _tracer(point)


def set_tracer(tracer: Callable[[str], None] | None) -> None:
    """Have ``tracer`` called at every named point; None ends that. For tests."""
    global _tracer
    _tracer = tracer
