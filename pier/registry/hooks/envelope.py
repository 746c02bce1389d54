"""What a webhook's receiver is sent, and how it knows from whom (pure)."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any, Final

from pier.registry.happenings import Happening

MEDIA_TYPE: Final = "application/vnd.docker.distribution.events.v1+json"
SIGNATURE: Final = "X-Hub-Signature-256"


def envelope(happening: Happening, id: str, service: str) -> bytes:
    """Distribution's notification: an event for each tag, or one for a manifest without. ``service``: this registry."""
    events = [{**_event(happening, id, tag), "source": {"addr": service}} for tag in happening.tags or ("",)]
    return json.dumps({"events": events}).encode()


def signature(secret: str, body: bytes) -> str:
    """The value of ``X-Hub-Signature-256``, as GitHub makes it."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _event(happening: Happening, id: str, tag: str) -> dict[str, Any]:
    target: dict[str, Any] = {"repository": happening.repository, "digest": str(happening.digest)}
    if happening.media_type:
        target |= {"mediaType": happening.media_type, "size": happening.size, "length": happening.size}
    if tag:
        target["tag"] = tag
    return {
        "id": f"{id}-{tag}" if tag else id,
        "timestamp": datetime.fromtimestamp(happening.at, UTC).isoformat().replace("+00:00", "Z"),
        "action": happening.kind,
        "target": target,
        "actor": {"name": happening.by},
    }
