"""Deleting behind the caller's back: a rename now, the work in one background thread."""

import queue
import threading
from pathlib import Path
from typing import Final

from pier.linux.trees import move_aside, remove_tree
from pier.log import Logger

_PATIENCE: Final = 5.0
_log: Final = Logger("pier.linux.trash")


class Trash:
    """Owns a folder on the file system of what it takes. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def take(self, path: Path) -> None:
        """``path`` is gone when this returns; nothing there is no error."""
        moved = move_aside(path, self._folder)
        if moved is not None:
            self._delete(moved)

    def empty(self) -> None:
        """Delete what a crash left in the folder too."""
        for path in self._folder.iterdir():
            self._delete(path)

    def close(self, patience: float = _PATIENCE) -> None:
        """Wait until all is deleted, but so many seconds at most: :meth:`empty` takes up what is left then."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(patience)
            if thread.is_alive():
                _log.info("not all is deleted yet: the next start goes on", folder=self._folder)

    def _delete(self, path: Path) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trash", daemon=True)
                self._thread.start()
        self._queue.put(path)

    def _work(self) -> None:
        while (path := self._queue.get()) is not None:
            try:
                remove_tree(path)
            except OSError as error:
                _log.warning("cannot delete; trying again at the next start", path=path, error=error)
