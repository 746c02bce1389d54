"""What an instance remembers of the uploads that it has seen: nothing that it could not do without."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pier.registry.blobs.coming import Coming
from pier.registry.model import Upload

_MOST_KEPT: Final = 4096
_BUDGET: Final = 24 << 20
_LARGEST_PIECE: Final = 1 << 20
_SMALLEST_PIECE: Final = 64 << 10


class Hash:
    """SHA-256 of the first ``size`` bytes of an upload."""

    def __init__(self) -> None:
        self.size = 0
        self._state: Any = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._state.update(data)
        self.size += len(data)

    def hexdigest(self) -> str:
        text: str = self._state.hexdigest()
        return text


@dataclass(frozen=True, slots=True)
class Kept:
    """An upload as it was at the end of a request; others may have gone on with it since.

    ``hash`` is that of all its bytes, None where they were not all seen here.
    """

    upload: Upload
    hash: Hash | None


class Underway:
    """One an instance. Hashes are kept between the requests of an upload, so that its bytes are not read back."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._busy: set[str] = set()
        self.coming = Coming()

    @contextmanager
    def alone(self, id: str) -> Iterator[bool]:
        """Whether nobody else of this instance writes to the upload; nobody will until this ends, then."""
        if id in self._busy:
            yield False
            return
        self._busy.add(id)
        try:
            yield True
        finally:
            self._busy.discard(id)

    def piece(self) -> int:
        """Bytes to gather before a thread gets them: the less, the more uploads there are at once."""
        return min(_LARGEST_PIECE, max(_SMALLEST_PIECE, _BUDGET // (4 * max(len(self._busy), 1))))

    def remember(self, upload: Upload, hash: Hash | None) -> None:
        """A hash of other bytes than the upload has is none."""
        whole = hash is not None and hash.size == upload.offset
        self._kept[upload.id] = Kept(upload, hash if whole else None)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)

    def recall(self, id: str) -> Kept | None:
        """What was remembered: the caller's from now on."""
        return self._kept.pop(id, None)

    def forget(self, id: str) -> None:
        self._kept.pop(id, None)
        self.coming.end(id)
