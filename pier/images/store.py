"""Where records of images are kept (contract).

Synchronous, thread-safe, quick (one short transaction, or none). An image is put when its config is in the
content store and its layers in the snapshotter, and removed before any of them goes.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pier.images.image import Image
from pier.oci.digest import Digest
from pier.oci.manifest import Descriptor
from pier.oci.reference import Reference


class ImageStore(Protocol):
    """References are stored in their canonical form; a tag and a repo digest are separate references."""

    def get(self, image_id: Digest) -> Image | None: ...

    def list(self) -> Sequence[Image]:
        """All images, in no order."""

    def search(self, prefix: str) -> Sequence[Digest]:
        """The IDs whose hex digits begin with ``prefix``, at most two of them."""

    def put(self, image: Image) -> None:
        """Record or replace; ``repo_tags`` and ``repo_digests`` are not taken from ``image``."""

    def remove(self, image_id: Digest) -> None:
        """Forget the image and its references; one that is not there is no error."""

    def tag(self, reference: Reference, image_id: Digest) -> Digest | None:
        """Point ``reference`` (with a tag or a digest) at the image; returns what it pointed at before.

        Raises NotFound where there is no such image.
        """

    def tag_all(self, references: Sequence[Reference], image_id: Digest) -> Sequence[Digest | None]:
        """:meth:`tag` for many, in one transaction: for a thread. The other's cost grows with an image's names."""

    def untag(self, reference: Reference) -> Digest | None:
        """Forget ``reference``; returns what it pointed at."""

    def untag_all(self, image_id: Digest) -> None:
        """Forget all references to the image, at the cost of one."""

    def resolve(self, reference: Reference) -> Digest | None: ...

    def references(self, image_id: Digest) -> Sequence[Reference]:
        """Sorted by canonical form."""

    def children(self, image_id: Digest) -> Sequence[Digest]:
        """Images whose parent this one is."""

    def images_with_layer(self, chain_id: Digest) -> Sequence[Digest]:
        """Images that have the layer among theirs."""

    def blob_of(self, diff_id: Digest) -> Sequence[Descriptor]:
        """Known compressed (or plain) forms of a layer, newest last."""

    def blobs(self) -> Mapping[Digest, Digest]:
        """All known forms of layers: the diff that each blob is of."""

    def add_blob(self, diff_id: Digest, descriptor: Descriptor) -> None: ...

    def remove_blob(self, diff_id: Digest, digest: Digest) -> None: ...
