"""Where networks and endpoints are remembered (contract). Synchronous, each call well under 1 ms."""

from typing import Protocol

from pier.networks.network import Endpoint, Network


class NetworkStore(Protocol):
    def networks(self) -> list[Network]:
        """All networks, in order of creation."""

    def put_network(self, network: Network) -> None:
        """Insert, or replace the network of the same ID."""

    def delete_network(self, network_id: str) -> None:
        """Forget it; an unknown ID is no error."""

    def endpoints(self) -> list[Endpoint]:
        """All endpoints, also those whose removal is not finished."""

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """Insert, or replace the endpoint of the same ID."""

    def delete_endpoints(self, endpoint_ids: list[str]) -> None:
        """Forget them; unknown IDs are no error."""
