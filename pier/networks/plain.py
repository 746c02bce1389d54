"""The drivers ``host`` and ``null``: there is nothing to do."""

from collections.abc import Sequence
from pathlib import Path

from pier.networks.network import Endpoint, Network


class PlainDriver:
    """Implements :class:`pier.networks.driver.Driver` for networks that are no network of ours."""

    async def settle(self, network: Network) -> Network:
        return network

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        return

    async def detach(self, network: Network, endpoint: Endpoint) -> None:
        return

    async def reap(self, network: Network, endpoints: Sequence[Endpoint]) -> None:
        return

    async def adopt(self, network: Network, endpoints: Sequence[Endpoint]) -> None:
        return

    async def release(self, network: Network) -> None:
        return

    async def verify(self, network: Network, endpoints: Sequence[Endpoint]) -> list[str]:
        return []

    def close(self) -> None:
        return
