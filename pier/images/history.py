"""How an image was made, step by step, newest first."""

from datetime import datetime
from typing import Any

from pier.images.deps import Images
from pier.images.image import Image
from pier.images.lookup import find
from pier.images.platforms import of_platform
from pier.oci.platform import Platform
from pier.oci.reference import parse_reference


def history(images: Images, name: str, platform: Platform | None = None) -> list[dict[str, Any]]:
    """The entries as the Engine API gives them, of the image for ``platform``. Raises NotFound.

    The top one carries the image's ID and tags; others are ``<missing>``, unless the image's ancestors are here.
    """
    image = of_platform(images, find(images, name), name, platform)
    sizes = iter([images.snapshots.layer(chain_id).size for chain_id in image.chain_ids])
    entries: list[dict[str, Any]] = [
        {
            "Id": "<missing>",
            "Created": unix_seconds(step.created),
            "CreatedBy": step.created_by,
            "Tags": None,
            "Size": 0 if step.empty_layer else next(sizes, 0),
            "Comment": step.comment,
        }
        for step in image.config.history
    ]
    entries.reverse()
    _name_ancestors(images, image, entries)
    return entries


def _name_ancestors(images: Images, image: Image, entries: list[dict[str, Any]]) -> None:
    current: Image | None = image
    for entry in entries:
        if current is None:
            return
        entry["Id"] = current.id
        entry["Tags"] = [parse_reference(tag).familiar for tag in current.repo_tags] or None
        current = images.store.get(current.parent) if current.parent else None


def unix_seconds(text: str | None) -> int:
    """RFC 3339 text as seconds since the epoch; 0 for none and for nonsense."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int(moment.timestamp()) if moment.tzinfo else 0
