"""Telling the world about images: events, and messages of Docker's progress stream."""

import time
from typing import Any, Final

from pier.images.deps import Images, Progress
from pier.oci.digest import Digest
from pier.oci.reference import Reference

_WIDTH: Final = 50
_INTERVAL: Final = 0.1
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def publish(images: Images, action: str, image_id: Digest, reference: Reference | None = None) -> None:
    """Publish an image event with the attributes that Docker gives it: the name, and the image's labels."""
    image = images.store.get(image_id)
    labels = (image.config.config.labels if image else None) or {}
    name = reference.familiar if reference else image_id
    images.events.publish("image", action, image_id, {**labels, "name": name})


def status(text: str, key: str = "") -> dict[str, Any]:
    """A message without figures, about the layer ``key`` or about all."""
    return {"status": text, "progressDetail": {}, "id": key} if key else {"status": text}


def figures(text: str, key: str, current: int, total: int) -> dict[str, Any]:
    """A message with figures and the bar that old clients show. ``total`` 0: not known."""
    detail = {"current": current, "total": total} if total else {"current": current}
    return {"status": text, "progressDetail": detail, "progress": _bar(current, total), "id": key}


def _bar(current: int, total: int) -> str:
    if total <= 0 or current > total:
        return human_size(current)
    done = _WIDTH * current // total
    head = ">" if done < _WIDTH else ""
    filled = "=" * (done - 1 if head and done else done)
    return f"[{(filled + head).ljust(_WIDTH)}]  {human_size(current)}/{human_size(total)}"


def human_size(size: float) -> str:
    """Decimal units and four digits, as Docker prints sizes: ``1.984MB``."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.4g}{_UNITS[unit]}"


class Meter:
    """Reports growing figures about one layer, ten times a second at most."""

    def __init__(self, progress: Progress, text: str, key: str, total: int, current: int = 0) -> None:
        self._progress = progress
        self._text = text
        self._key = key
        self._total = total
        self._current = current
        self._next = 0.0

    def add(self, count: int) -> None:
        self._current += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            self.show()

    def show(self) -> None:
        """Report now."""
        self._progress(figures(self._text, self._key, self._current, self._total))
