"""Images as lowering needs them (values)."""

import msgspec

from pier.build.dockerfile.ast import Location
from pier.oci.digest import Digest
from pier.oci.image import ImageConfig
from pier.oci.platform import Platform


class ImageName(msgspec.Struct, frozen=True):
    """``reference`` is canonical. ``any_platform``: nobody asked for the platform, so another will do, too."""

    reference: str
    platform: Platform
    any_platform: bool = False


class ImageWanted(msgspec.Struct, frozen=True):
    """``written``: as the Dockerfile has it. ``where``: the instruction that needs it, where there is one."""

    name: ImageName
    written: str
    where: Location | None = None


class ResolvedImage(msgspec.Struct, frozen=True):
    """``reference`` is canonical. ``image_id`` is the digest of the bytes that ``config`` was read from."""

    reference: str
    image_id: Digest
    config: ImageConfig
