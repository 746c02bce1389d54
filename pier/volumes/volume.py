"""Volumes (contract): folders that outlive containers.

A volume of the ``local`` driver is ``<root>/volumes/<name>/_data``. One that was made with the
options ``type``, ``o`` and ``device`` is mounted there while a container uses it::

    volume = volumes.create(name, labels={...})        # made, or found again
    path = volumes.acquire(volume.name, container_id)  # mounted where its options say so
    ... the container runs ...
    volumes.release(volume.name, container_id)

Whether a volume is in use is for the caller to say (it knows the containers): ``in_use``.
"""

from collections.abc import Callable, Sequence

import msgspec

ANONYMOUS_LABEL = "com.docker.volume.anonymous"

InUse = Callable[[str], Sequence[str]]
"""Volume name -> IDs of the containers (also stopped ones) that refer to it."""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """``created`` is RFC 3339 in UTC; ``mountpoint`` the absolute path of the data folder."""

    name: str
    mountpoint: str
    created: str
    driver: str = "local"
    scope: str = "local"
    labels: dict[str, str] = {}
    options: dict[str, str] = {}

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS_LABEL in self.labels
