"""Volumes: the service that containers and the API call. Synchronous; removals and sizes belong in a thread."""

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pier.content.journal import Entry, Journal
from pier.errors import Conflict, Internal, NoSpace, NotFound, PierError
from pier.events.bus import EventBus
from pier.events.filters import Filters
from pier.linux import files, trees
from pier.linux.mount import mount, mounted, unmount
from pier.log import Logger
from pier.volumes.names import check_name, check_options, mount_of
from pier.volumes.store import VolumeStore
from pier.volumes.volume import ANONYMOUS_LABEL, InUse, Volume

_log = Logger("pier.volumes")


class Volumes:
    """Thread-safe. ``root`` is ``<data root>/volumes``; ``in_use`` asks who refers to a volume."""

    def __init__(
        self, root: Path, store: VolumeStore, journal: Journal, in_use: InUse, events: EventBus | None = None
    ) -> None:
        self._root = root
        self._store = store
        self._journal = journal
        self._in_use = in_use
        self._events = events
        self._users: dict[str, set[str]] = {}
        self._lock = threading.RLock()

    def start(self) -> None:
        """Finish or undo what a killed daemon had begun."""
        if not self._root.is_dir():
            _make_folder(self._root, 0o701)
        for entry in self._journal.pending("volume:"):
            if entry.kind == "volume:create" and self._store.volume(entry.key) is not None:
                self._journal.done(entry)
            else:
                self._destroy(entry)

    def create(
        self,
        name: str = "",
        driver: str = "local",
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make it, or return the one of that name; an empty name makes an anonymous one (64 hex digits)."""
        labels, options = dict(labels or {}), dict(options or {})
        if not name:
            name, labels = secrets.token_hex(32), {ANONYMOUS_LABEL: "", **labels}
        if driver != "local":
            raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
        with self._lock:
            found = self._store.volume(name)
            if found is not None:
                return found
            check_name(name)
            check_options(name, options)
            made = self._make(name, labels, options)
        self._publish("create", name)
        return made

    def get(self, name: str) -> Volume:
        """NotFound: ``get x: no such volume``."""
        found = self._store.volume(name)
        if found is None:
            raise NotFound(f"get {name}: no such volume")
        return found

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> Sequence[Volume]:
        """Filters: ``dangling``, ``name``, ``label``, ``driver``; of any other InvalidArgument."""
        wanted = _filters(filters)
        wanted.require_known(("dangling", "name", "label", "driver"))
        found = [volume for volume in self._store.volumes() if _matches(volume, wanted)]
        if "dangling" in wanted:
            dangling = wanted.boolean("dangling", False)
            found = [volume for volume in found if dangling is not bool(self._in_use(volume.name))]
        return found

    def remove(self, name: str, *, force: bool = False) -> None:
        """Conflict ``remove x: volume is in use - [id, ...]``; ``force`` forgives a volume that does not exist."""
        with self._lock:
            if self._store.volume(name) is None:
                if force:
                    return
                raise NotFound(f"get {name}: no such volume")
            users = self._in_use(name)
            if users:
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            self._destroy(self._journal.begin("volume:remove", name))
        self._publish("destroy", name)

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> tuple[Sequence[str], int]:
        """Remove the unused anonymous ones (all unused ones with filter ``all=true``): names, and bytes freed."""
        wanted = _filters(filters)
        wanted.require_known(("label", "label!", "all"))
        everything = wanted.boolean("all", False)
        names: list[str] = []
        freed = 0
        for volume in self._store.volumes():
            if not (everything or volume.anonymous) or not _prunable(volume, wanted):
                continue
            try:
                size = self.size(volume.name)
                self.remove(volume.name)
            except PierError:
                continue  # in use, or gone by another's hand
            names.append(volume.name)
            freed += size
        if self._events is not None:
            self._events.publish("volume", "prune", "", {"reclaimed": str(freed)})
        return names, freed

    def _publish(self, action: str, name: str) -> None:
        if self._events is not None:
            self._events.publish("volume", action, name, {"driver": "local"})

    def size(self, name: str) -> int:
        """Bytes that the volume's files occupy."""
        return files.used_bytes(Path(self.get(name).mountpoint))

    def acquire(self, name: str, user: str) -> Path:
        """The data folder, mounted first where the volume's options ask for it. ``user`` is a container ID.

        Idempotent; after a restart of the daemon to be called again for each running container.
        """
        with self._lock:
            volume = self.get(name)
            path = Path(volume.mountpoint)
            wanted = mount_of(volume.options, path)
            if wanted is not None and not mounted(path):
                try:
                    mount(wanted)
                except OSError as error:
                    raise Internal(_mount_failed(volume, error)) from error
            self._users.setdefault(name, set()).add(user)
            return path

    def release(self, name: str, user: str) -> None:
        """Undo :meth:`acquire`; the last user's release unmounts. Idempotent."""
        with self._lock:
            users = self._users.get(name, set())
            users.discard(user)
            if not users:
                self._users.pop(name, None)
                self._unmount(name)

    def verify(self) -> Sequence[str]:
        """What fsck reports: one sentence for each thing that is left over or missing."""
        recorded = {volume.name: volume for volume in self._store.volumes()}
        found = [f"folder of volume {name} is missing" for name in recorded if not self._data(name).is_dir()]
        folders = (path.name for path in self._root.iterdir() if path.is_dir())
        return found + [f"folder {name} belongs to no volume" for name in folders if name not in recorded]

    def _data(self, name: str) -> Path:
        return self._root / name / "_data"

    def _make(self, name: str, labels: dict[str, str], options: dict[str, str]) -> Volume:
        volume = Volume(
            name=name,
            mountpoint=str(self._data(name)),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            labels=labels,
            options=options,
        )
        entry = self._journal.begin("volume:create", name)
        try:
            _make_folder(self._root / name, 0o701)
            _make_folder(self._data(name), 0o755)
            with self._journal.completing(entry):
                self._store.put_volume(volume)
        except BaseException as error:
            self._destroy(entry)
            if isinstance(error, OSError):
                raise NoSpace(f"create {name}: {os.strerror(error.errno or 0).lower()}") from error
            raise
        return volume

    def _destroy(self, entry: Entry) -> None:
        self._unmount(entry.key)  # or what is mounted there would be deleted, not the volume
        trees.remove_tree(self._root / entry.key)
        with self._journal.completing(entry):
            self._store.delete_volume(entry.key)

    def _unmount(self, name: str) -> None:
        while mounted(self._data(name)):
            unmount(self._data(name), detach=True)


def _make_folder(path: Path, mode: int) -> None:
    """With this very mode, whatever the process's umask: the users of a container pass through."""
    path.mkdir(parents=True)
    path.chmod(mode)


def _filters(filters: Mapping[str, Sequence[str]] | None) -> Filters:
    return Filters({key: tuple(values) for key, values in (filters or {}).items()})


def _matches(volume: Volume, wanted: Filters) -> bool:
    return (
        wanted.pattern("name", volume.name)
        and wanted.exact("driver", volume.driver)
        and wanted.match_label(volume.labels)
    )


def _prunable(volume: Volume, wanted: Filters) -> bool:
    return wanted.match_label(volume.labels) and not wanted.excluded_by_label(volume.labels)


def _mount_failed(volume: Volume, error: OSError) -> str:
    data = f", data: {volume.options['o']}" if volume.options.get("o") else ""
    said = os.strerror(error.errno or 0).lower()
    return (
        f"error while mounting volume '{volume.mountpoint}': failed to mount local volume: "
        f"mount {volume.options['device']}:{volume.mountpoint}{data}: {said}"
    )
