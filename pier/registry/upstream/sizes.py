"""How large the blobs are that manifests speak of: what the upstream need not be asked then."""

from collections import OrderedDict
from typing import Final

import msgspec

from pier.oci.digest import Digest

_MOST: Final = 20_000


class _Descriptor(msgspec.Struct):
    digest: str = ""
    size: int = -1


class _Document(msgspec.Struct):
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None


class Sizes:
    """By repository, since what one upstream says of a blob is nothing to another."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()

    def learn(self, repository: str, data: bytes) -> None:
        """From a manifest's bytes; what is none teaches nothing."""
        try:
            document = msgspec.json.decode(data, type=_Document)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        for each in (document.config, *(document.layers or ()), *(document.blobs or ())):
            if each is not None and each.size >= 0:
                self._known[repository, each.digest] = each.size
                self._known.move_to_end((repository, each.digest))
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def of(self, repository: str, digest: Digest) -> int | None:
        return self._known.get((repository, digest))
