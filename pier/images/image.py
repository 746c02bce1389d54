"""An image, as the engine knows it."""

import msgspec

from pier.oci.digest import Digest
from pier.oci.image import ImageConfig
from pier.oci.manifest import Descriptor


class Image(msgspec.Struct, frozen=True):
    """A config together with its layers, all of which are there.

    ``id`` is the digest of the config's bytes, which the content store holds. ``chain_ids`` name the layers,
    bottom first. ``size`` counts the bytes of the layers' files. ``manifest`` describes the manifest that the
    image was pulled with. ``repo_tags`` and ``repo_digests`` are canonical references, sorted;
    ``tagged_ns`` says when the last of them was given, in ns since the epoch (0: never).
    """

    id: Digest
    config: ImageConfig
    chain_ids: tuple[Digest, ...]
    size: int
    parent: Digest | None = None
    manifest: Descriptor | None = None
    tagged_ns: int = 0
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()

    @property
    def diff_ids(self) -> list[Digest]:
        """The digests of the layers' uncompressed tars, bottom first."""
        return self.config.rootfs.diff_ids

    @property
    def created(self) -> str:
        """RFC 3339 text; empty when the config does not say."""
        return self.config.created or ""

    @property
    def top(self) -> Digest | None:
        """The chain ID that a container starts from; None for an image without layers."""
        return self.chain_ids[-1] if self.chain_ids else None

    @property
    def dangling(self) -> bool:
        return not self.repo_tags and not self.repo_digests
