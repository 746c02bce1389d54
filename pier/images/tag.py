"""Giving an image another name."""

from pier.errors import InvalidArgument
from pier.images.deps import Images
from pier.images.lookup import resolve
from pier.images.notify import publish
from pier.oci.digest import Digest
from pier.oci.reference import Reference


def tag(images: Images, source: str, target: Reference) -> None:
    """Point ``target`` at the image ``source``. Raises NotFound, InvalidArgument for a target with a digest."""
    image_id = resolve(images, source)
    if target.digest is not None:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    tag_id(images, image_id, target.with_default_tag())


def tag_id(images: Images, image_id: Digest, target: Reference) -> Digest | None:
    """Point ``target`` at the image with that ID; returns the image that had the name before, if another."""
    previous = images.store.tag(target, image_id)
    publish(images, "tag", image_id, target)
    return previous if previous != image_id else None
