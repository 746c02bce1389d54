"""Finding the image that a user names: by reference, or by a prefix of its ID."""

from pier.errors import InvalidArgument, NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.oci.digest import PREFIX, Digest, is_digest
from pier.oci.reference import Reference, is_id_prefix, parse_reference

_FULL = 64


def find(images: Images, name: str) -> Image:
    """The image that ``name`` means. A reference goes before an ID prefix, as in Docker.

    Raises NotFound ("No such image: x:latest"), InvalidArgument for what can be neither, or for a prefix
    that several images share.
    """
    image_id = resolve(images, name)
    image = images.store.get(image_id)
    if image is None:
        raise NotFound(f"No such image: {name}")
    return image


def resolve(images: Images, name: str) -> Digest:
    """The ID of the image that ``name`` means; raises as :func:`find` does."""
    if is_whole_id(name):
        image_id = Digest(name if name.startswith(PREFIX) else PREFIX + name)
        if images.store.get(image_id) is None:
            raise NotFound(f"No such image: {image_id}")
        return image_id
    reference = _reference(name)
    if reference is not None and (found := _by_reference(images, reference)):
        return found
    if is_id_prefix(name) and (found := _by_prefix(images, name.removeprefix(PREFIX))):
        return found
    raise NotFound(f"No such image: {reference or name}")


def is_whole_id(name: str) -> bool:
    """Whether ``name`` is all of an ID, with or without ``sha256:``."""
    return is_digest(name) or (len(name) == _FULL and is_id_prefix(name))


def named_by_id(image_id: Digest, name: str) -> bool:
    """Whether ``name``, which means ``image_id``, is a prefix of the ID rather than a reference."""
    return is_id_prefix(name) and image_id.removeprefix(PREFIX).startswith(name.removeprefix(PREFIX))


def _reference(name: str) -> Reference | None:
    """None for ``sha256:abc…``, which reads as a tag of a repository named sha256 but is meant as an ID."""
    try:
        return parse_reference(name).with_default_tag()
    except InvalidArgument:
        if is_id_prefix(name):
            return None
        raise


def _by_reference(images: Images, reference: Reference) -> Digest | None:
    if reference.digest is None:
        return images.store.resolve(reference)
    found = images.store.resolve(reference.with_digest(reference.digest))
    if found is None and images.store.get(reference.digest) is not None:
        return reference.digest  # name@ID, as `docker inspect` of an image that was never pulled accepts
    return found


def _by_prefix(images: Images, prefix: str) -> Digest | None:
    if not prefix:
        return None
    found = images.store.search(prefix)
    if len(found) > 1:
        raise InvalidArgument(f"multiple IDs found with provided prefix: {prefix}")
    return found[0] if found else None
