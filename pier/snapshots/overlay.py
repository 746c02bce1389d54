"""The overlay2 snapshotter: layers as folders, stacked by the kernel's overlayfs."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pier.content.journal import Entry, Journal
from pier.errors import Conflict, NotFound
from pier.linux.files import disk_errors, used_bytes
from pier.linux.mount import Mount, mounted, overlay, unmount
from pier.linux.trash import Trash
from pier.log import trace
from pier.oci.digest import Digest
from pier.oci.image import chain_id as chain_id_of
from pier.snapshots import layerdb
from pier.snapshots.changes import changes
from pier.snapshots.fsck import verify
from pier.snapshots.initlayer import populate
from pier.snapshots.intents import Intents
from pier.snapshots.layerdb import Places, RwRecord
from pier.snapshots.snapshotter import Change, Finding, Layer, LayerWriter, Skeleton
from pier.snapshots.stacking import graph, make_like, on_top, read_only


class OverlaySnapshotter:
    """Implements :class:`pier.snapshots.snapshotter.Snapshotter` below ``root``, the data root."""

    def __init__(self, root: Path, journal: Journal) -> None:
        self._places = Places(root)
        self._places.make()
        self._intents = Intents(journal)
        self._trash = Trash(self._places.trash)
        self._lock = threading.RLock()
        self._layers = {layer.chain_id: layer for layer in layerdb.read_layers(self._places)}
        self._rw = {record.container_id: record for record in layerdb.read_rws(self._places)}
        self._users = Counter(layer.parent for layer in self._layers.values())
        self._by_diff: dict[Digest, dict[Digest, Layer]] = {}
        for layer in self._layers.values():
            self._by_diff.setdefault(layer.diff_id, {})[layer.chain_id] = layer

    def layer(self, chain_id: Digest) -> Layer:
        layer = self._layers.get(chain_id)
        if layer is None:
            raise NotFound(f"layer {chain_id} does not exist")
        return layer

    def layers(self) -> Mapping[Digest, Layer]:
        return dict(self._layers)

    def with_diff(self, diff_id: Digest) -> Layer | None:
        with self._lock:
            return next(iter(self._by_diff.get(diff_id, {}).values()), None)

    def begin_layer(self) -> LayerWriter:
        cache_id, link = layerdb.new_cache_id(), layerdb.new_link_name()
        entry = self._intents.begin("layer:create", cache_id, {"link": link})
        trace("layer:begun")
        with self._undoing(entry, self.drop_layer):
            self._places.new_folder(cache_id, link=link, many_files=True)
        return _Writer(self, entry, self._places.cache(cache_id))

    def commit_layer(
        self, entry: Entry, parent: Digest | None, diff_id: Digest, size: int, skeleton: Skeleton | None
    ) -> Layer:
        """Finish what ``begin_layer`` began; for the writer."""
        chain_id = chain_id_of(parent, diff_id)
        with self._lock:
            if chain_id in self._layers:
                self.drop_layer(entry)
                return self._layers[chain_id]
            if parent is not None:
                layerdb.write(
                    self._places.cache(entry.key) / "lower", self._places.chain_of(self.layer(parent).cache_id)
                )
            layer = Layer(
                chain_id,
                diff_id,
                parent,
                entry.key,
                size,
                skeleton.tar_size if skeleton else 0,
                self._places.cache(entry.key) / "diff",
                self._places.layer(chain_id) / "skeleton" if skeleton else None,
            )
            trace("layer:unpacked")
            with disk_errors():
                layerdb.write_layer(self._places, layer, skeleton.path if skeleton else None)
            trace("layer:recorded")
            self._layers[chain_id] = layer
            self._users[parent] += 1
            self._by_diff.setdefault(diff_id, {})[chain_id] = layer
            self._intents.done(entry)
        return layer

    def mount_layer(self, folder: Path, parent: Digest | None, target: Path) -> list[Mount]:
        """A layer in the making on top of ``parent``; for the writer. Nothing is synced: layers are not durable."""
        if parent is None:
            return [Mount("bind", str(folder / "diff"), target, ("bind",))]
        below = self.layer(parent)
        with disk_errors():
            make_like(folder / "diff", below.root)
            (folder / "work").mkdir(mode=0o700)
        made = on_top(self._places, self._places.chain_of(below.cache_id), folder, target)
        return [replace(made, options=(*made.options, "volatile"))]

    def drop_layer(self, entry: Entry) -> None:
        """Undo what ``begin_layer`` began; for the writer."""
        self._discard(entry.key, entry.detail.get("link"))
        self._intents.done(entry)

    def remove_layer(self, chain_id: Digest) -> None:
        with self._lock:
            layer = self.layer(chain_id)
            if self._users[chain_id]:
                raise Conflict(f"layer {chain_id} has other layers on top of it")
            if any(record.parent == chain_id for record in self._rw.values()):
                raise Conflict(f"layer {chain_id} is in use by a container")
            entry = self._intents.begin("layer:remove", chain_id, {"cache_id": layer.cache_id})
            trace("layer:removing")
            self._forget(layer)
            self._finish_layer_removal(entry)

    def _forget(self, layer: Layer) -> None:
        del self._layers[layer.chain_id]
        self._users[layer.parent] -= 1
        same = self._by_diff[layer.diff_id]
        del same[layer.chain_id]
        if not same:
            del self._by_diff[layer.diff_id]

    def _finish_layer_removal(self, entry: Entry) -> None:
        cache_id = str(entry.detail["cache_id"])
        self._trash.take(self._places.layer(Digest(entry.key)))
        trace("layer:unrecorded")
        self._discard(cache_id)
        self._discard(f"{cache_id}-init")
        self._intents.done(entry)

    def _discard(self, cache_id: str, link: str | None = None) -> None:
        folder = self._places.cache(cache_id)
        self._places.drop_link(folder)
        if link:
            (self._places.links / link).unlink(missing_ok=True)
        self._trash.take(folder)

    def create_rw(self, container_id: str, parent: Digest | None) -> None:
        with self._lock:
            if container_id in self._rw:
                raise Conflict(f"container {container_id} has a snapshot already")
            init_id = self._init_layer(parent)
            record = RwRecord(container_id, layerdb.new_cache_id(), init_id, parent)
            entry = self._intents.begin("rw:create", container_id, {"mount_id": record.mount_id})
            trace("rw:begun")
            with self._undoing(entry, self._finish_rw_removal):
                self._make_rw(record)
            self._rw[container_id] = record
            self._intents.done(entry)

    def _make_rw(self, record: RwRecord) -> None:
        folder = self._places.new_folder(record.mount_id)
        make_like(folder / "diff", self._places.cache(record.init_id) / "diff")
        os.mkdir(folder / "work", 0o700)
        os.mkdir(folder / "merged", 0o755)
        layerdb.write(folder / "lower", self._places.chain_of(record.init_id))
        trace("rw:made")
        layerdb.write_rw(self._places, record)

    @contextmanager
    def _undoing(self, entry: Entry, undo: Callable[[Entry], None]) -> Iterator[None]:
        """Undo what ``entry`` began when the block fails. A full disk raises NoSpace."""
        try:
            with disk_errors():
                yield
        except BaseException:
            undo(entry)
            raise

    def _init_layer(self, parent: Digest | None) -> str:
        """The cache ID of the init layer on top of ``parent``, made at its first use."""
        base = self.layer(parent).cache_id if parent is not None else layerdb.SCRATCH
        init_id = f"{base}-init"
        if (self._places.cache(init_id) / "ready").exists():
            return init_id
        entry = self._intents.begin("init:create", init_id)
        self._discard(init_id)
        with self._undoing(entry, self._drop_init):
            self._make_init(init_id, base, parent)
        self._intents.done(entry)
        return init_id

    def _make_init(self, init_id: str, base: str, parent: Digest | None) -> None:
        folder = self._places.new_folder(init_id)
        trace("init:begun")
        lower = self._places.chain_of(base) if parent is not None else ""
        if lower:
            layerdb.write(folder / "lower", lower)
            make_like(folder / "diff", self._places.cache(base) / "diff")
        self._populate(folder, lower)
        layerdb.write(folder / "ready", "")

    def _drop_init(self, entry: Entry) -> None:
        self._discard(entry.key)
        self._intents.done(entry)

    def _populate(self, folder: Path, lower: str) -> None:
        if not lower:
            root = os.open(folder / "diff", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                populate(root)
            finally:
                os.close(root)
            return
        os.mkdir(folder / "work", 0o700)
        with overlay(on_top(self._places, lower, folder, folder / "work")) as root:
            populate(root)
        self._trash.take(folder / "work")

    def rw_parent(self, container_id: str) -> Digest | None:
        return self._record(container_id).parent

    def rw_snapshots(self) -> dict[str, Digest | None]:
        return {container_id: record.parent for container_id, record in list(self._rw.items())}

    def rw_mounts(self, container_id: str) -> list[Mount]:
        folder = self._places.cache(self._record(container_id).mount_id)
        return [on_top(self._places, self._places.lower_of(folder.name), folder, folder / "merged")]

    def merged(self, container_id: str) -> Path:
        return self._places.cache(self._record(container_id).mount_id) / "merged"

    def upper(self, container_id: str) -> Path:
        """The folder of the container's own files, with whiteouts."""
        return self._places.cache(self._record(container_id).mount_id) / "diff"

    def rw_usage(self, container_id: str) -> int:
        return used_bytes(self.upper(container_id))

    def rw_changes(self, container_id: str) -> list[Change]:
        record = self._record(container_id)
        upper = os.open(self.upper(container_id), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            chain = self._places.lower_of(record.mount_id)
            if ":" in chain:
                with overlay(read_only(self._places, chain, self._places.cache(record.init_id) / "diff")) as lower:
                    return changes(upper, lower)
            lower = os.open(self._places.overlay / chain, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return changes(upper, lower)
            finally:
                os.close(lower)
        finally:
            os.close(upper)

    def rw_graph(self, container_id: str) -> dict[str, str]:
        return graph(self._places, self._places.cache(self._record(container_id).mount_id))

    def layer_graph(self, chain_id: Digest) -> dict[str, str]:
        return graph(self._places, self._places.cache(self.layer(chain_id).cache_id))

    def remove_rw(self, container_id: str) -> None:
        with self._lock:
            record = self._rw.pop(container_id, None)
            if record is None:
                return
            entry = self._intents.begin("rw:remove", container_id, {"mount_id": record.mount_id})
        trace("rw:removing")
        self._finish_rw_removal(entry)

    def _finish_rw_removal(self, entry: Entry) -> None:
        mount_id = str(entry.detail["mount_id"])
        merged = self._places.cache(mount_id) / "merged"
        while mounted(merged):
            unmount(merged, detach=True)
        self._trash.take(self._places.rw(entry.key))
        trace("rw:unrecorded")
        self._discard(mount_id)
        self._intents.done(entry)

    def view(self, chain_id: Digest, target: Path) -> Mount:
        layer = self.layer(chain_id)
        if layer.parent is None:
            return Mount("bind", str(layer.root), target, ("bind", "ro"))
        return read_only(self._places, self._places.chain_of(layer.cache_id), target)

    def recover(self) -> None:
        with self._lock:
            self._recover_layers()
            self._recover_rws()
            layerdb.clear_drafts(self._places)
        self._trash.empty()

    def _recover_layers(self) -> None:
        cached = {layer.cache_id for layer in self._layers.values()}
        for entry in self._intents.left_over("layer:create"):
            if entry.key in cached:
                self._intents.done(entry)
            else:
                self.drop_layer(entry)
        for entry in self._intents.left_over("layer:remove"):
            if Digest(entry.key) in self._layers:
                self._forget(self._layers[Digest(entry.key)])
            self._finish_layer_removal(entry)
        for entry in self._intents.left_over("init:create"):
            if (self._places.cache(entry.key) / "ready").exists():
                self._intents.done(entry)
            else:
                self._drop_init(entry)

    def _recover_rws(self) -> None:
        for entry in self._intents.left_over("rw:create"):
            if entry.key in self._rw:
                self._intents.done(entry)
            else:
                self._finish_rw_removal(entry)
        for entry in self._intents.left_over("rw:remove"):
            self._rw.pop(entry.key, None)
            self._finish_rw_removal(entry)

    def verify(self) -> list[Finding]:
        with self._lock:
            busy = self._intents.folders()
            return verify(self._places, [*self._layers.values()], [*self._rw.values()], busy)

    def repair(self) -> None:
        self.recover()
        with self._lock:
            for finding in self.verify():
                if finding.kind == "orphan":
                    self._places.drop_link(Path(finding.path))
                    self._trash.take(Path(finding.path))

    def close(self) -> None:
        self._trash.close()

    def _record(self, container_id: str) -> RwRecord:
        record = self._rw.get(container_id)
        if record is None:
            raise NotFound(f"container {container_id} has no snapshot")
        return record


class _Writer:
    """Implements :class:`pier.snapshots.snapshotter.LayerWriter`."""

    def __init__(self, snapshots: OverlaySnapshotter, entry: Entry, side: Path) -> None:
        self._snapshots = snapshots
        self._entry: Entry | None = entry
        self.side = side
        self.root = side / "diff"

    def adopt(self, upper: Path) -> None:
        with disk_errors():
            os.rename(upper, self.root)

    def mount_on(self, parent: Digest | None, target: Path) -> list[Mount]:
        return self._snapshots.mount_layer(self.side, parent, target)

    def commit(self, parent: Digest | None, diff_id: Digest, size: int, skeleton: Skeleton | None = None) -> Layer:
        assert self._entry is not None, "the layer was committed or aborted already"
        layer = self._snapshots.commit_layer(self._entry, parent, diff_id, size, skeleton)
        self._entry = None
        return layer

    def abort(self) -> None:
        if self._entry is not None:
            self._snapshots.drop_layer(self._entry)
            self._entry = None
