"""Holding the overlay's folders against its records: what is there too much, what is missing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pier.snapshots.layerdb import SCRATCH, Places, RwRecord
from pier.snapshots.snapshotter import Finding, Layer


def verify(places: Places, layers: Sequence[Layer], rws: Sequence[RwRecord], busy: set[str]) -> list[Finding]:
    """All findings; empty when all is well. ``busy``: cache folders that are being made or removed."""
    return [
        *_missing_layers(places, layers),
        *_missing_rws(places, rws),
        *_orphans(places, layers, rws, busy),
        *_loose_links(places),
    ]


def _missing_layers(places: Places, layers: Sequence[Layer]) -> Iterator[Finding]:
    chains = {layer.chain_id for layer in layers}
    for layer in layers:
        if layer.parent is not None and layer.parent not in chains:
            yield Finding("missing", str(places.layer(layer.parent)), f"the parent of layer {layer.chain_id} is gone")
        if not layer.root.is_dir():
            yield Finding("missing", str(layer.root), f"the files of layer {layer.chain_id} are gone")
        yield from _missing_link(places, layer.cache_id)


def _missing_rws(places: Places, rws: Sequence[RwRecord]) -> Iterator[Finding]:
    for record in rws:
        for folder in ("diff", "work", "merged"):
            path = places.cache(record.mount_id) / folder
            if not path.is_dir():
                yield Finding("missing", str(path), f"a folder of container {record.container_id} is gone")
        yield from _missing_link(places, record.init_id)


def _missing_link(places: Places, cache_id: str) -> Iterator[Finding]:
    try:
        link = places.links / places.link_of(cache_id)
    except FileNotFoundError:
        yield Finding("missing", str(places.cache(cache_id) / "link"), "the layer cannot be mounted without it")
        return
    if not link.is_symlink():
        yield Finding("missing", str(link), f"the short name of {cache_id} is gone")


def _orphans(places: Places, layers: Sequence[Layer], rws: Sequence[RwRecord], busy: set[str]) -> Iterator[Finding]:
    cached = {layer.cache_id for layer in layers} | {SCRATCH}
    known = busy | cached | {f"{cache_id}-init" for cache_id in cached} | {record.mount_id for record in rws}
    for path in places.overlay.iterdir():
        if path not in (places.links, places.new, places.trash) and path.name not in known:
            yield Finding("orphan", str(path), "no layer and no container has this folder")
    yield from (_orphan(path) for path in places.drafts.iterdir())


def _orphan(path: Path) -> Finding:
    return Finding("orphan", str(path), "a record that was never finished")


def _loose_links(places: Places) -> Iterator[Finding]:
    for link in places.links.iterdir():
        if not link.exists():
            yield Finding("orphan", str(link), "a short name of nothing")
