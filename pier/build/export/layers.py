"""The layers of what comes out: there, and when each was made."""

from collections.abc import Sequence

from pier.build.deps import Deps
from pier.oci.digest import Digest
from pier.oci.image import chain_ids
from pier.snapshots.snapshotter import Layer


def layers_of(deps: Deps, diff_ids: Sequence[Digest]) -> list[Layer]:
    """The layers, bottom first. Raises NotFound where one is not there."""
    return [deps.snapshots.layer(chain_id) for chain_id in chain_ids(diff_ids)]


def made_at(layer: Layer) -> int:
    """When the layer was made, ns since 1970.

    The time is that of the file that was written last when the layer was made, and which never changes: hence it
    is as lasting as the layer, and an unchanged build gives the same image. What brings a layer from a cache sets it
    to what the cache says.
    """
    return (layer.skeleton or layer.root.parent).stat().st_mtime_ns
