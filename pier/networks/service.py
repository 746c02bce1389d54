"""Networks: the service that containers and the API call."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pier.networks.network import Endpoint, Network, PortRequest
from pier.networks.store import NetworkStore


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the daemon's flags say. ``bip``: the bridge's own address in CIDR form, empty: pick a free pool.

    ``run`` is the daemon's exec root; sandboxes are pinned below ``run/netns``.
    """

    run: Path
    bridge: str = "pier0"
    bip: str = ""
    mtu: int = 0
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()


class Networks:
    """All methods are for the event loop's thread. ``start`` comes first, ``recover`` second."""

    def __init__(self, store: NetworkStore, settings: NetworkSettings) -> None:
        self._store = store
        self._settings = settings

    async def start(self) -> None:
        """Load; make sure that ``bridge``, ``host`` and ``none`` exist. Touches no kernel object."""
        raise AssertionError

    async def recover(self, live: Mapping[str, Collection[str]]) -> None:
        """After a start: ``live`` maps the running containers' IDs to the IDs of their endpoints.

        Their ports are held again and their rules mended; every endpoint, interface and sandbox
        that is not among them is removed.
        """
        raise AssertionError

    async def close(self) -> None:
        """Finish what is being removed. With no endpoint left, bridge and rules go too; else all stays."""
        raise AssertionError

    def list(self) -> Sequence[Network]:
        raise AssertionError

    def find(self, reference: str) -> Network:
        """By name, ID or unambiguous ID prefix. NotFound: ``network x not found``."""
        raise AssertionError

    def endpoints(self, network_id: str) -> Sequence[Endpoint]:
        """The live endpoints of a network."""
        raise AssertionError

    async def create_sandbox(self, container_id: str) -> Path:
        """A new network namespace with its loopback up, pinned at ``run/netns/<container_id>``."""
        raise AssertionError

    async def remove_sandbox(self, container_id: str) -> None:
        """Unpin it; the kernel ends it with its last process. Idempotent."""
        raise AssertionError

    async def connect(
        self,
        container_id: str,
        sandbox: Path | None,
        network: Network,
        ports: Sequence[PortRequest] = (),
        *,
        name: str = "",
        mac: str = "",
        address: str = "",
    ) -> Endpoint:
        """Put the container on ``network``: all of it, or an error and nothing left behind.

        ``name`` is the container's, for messages. ``sandbox`` may be None for the ``host`` network
        only. On ``host`` and ``none`` the endpoint has no address and ``ports`` are ignored, as
        Docker does. Raises Docker's ``driver failed programming external connectivity on endpoint
        NAME (ID): Bind for 0.0.0.0:8080 failed: port is already allocated``; NoSpace where the
        subnet is full.
        """
        raise AssertionError

    async def disconnect(self, endpoint: Endpoint) -> None:
        """Rules and host ports are gone on return; interface and address follow. Idempotent."""
        raise AssertionError

    def resolv_conf(
        self,
        network: Network,
        *,
        dns: Sequence[str] = (),
        search: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> str:
        """The text of ``/etc/resolv.conf`` for a container of ``network`` (blocks under 1 ms)."""
        raise AssertionError

    async def verify(self) -> Sequence[str]:
        """What fsck reports: one sentence for each thing that is left over or missing."""
        raise AssertionError
