"""The network driver (contract): how a kind of network takes in a container.

The service decides (lease, ports, names) and records the endpoint; a driver only makes the kernel
so. Drivers hold no state that the kernel or the store does not hold too: after ``kill -9`` a new
driver is given the same networks and endpoints through :meth:`Driver.adopt`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pier.networks.network import Endpoint, Network


class Driver(Protocol):
    """All methods may be called concurrently for different endpoints. Errors: kinds of ``errors``."""

    async def settle(self, network: Network) -> Network:
        """Before the first endpoint: the network with all that was left open (subnet, MTU) decided.

        A subnet that was decided earlier, and that meanwhile clashes with a route, is decided anew;
        so the network must have no endpoint.
        """

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        """Make ``endpoint`` real inside the namespace at ``sandbox``. On failure nothing is left.

        The network's own parts (bridge, rules) are made by the first endpoint that needs them.
        """

    async def detach(self, network: Network, endpoint: Endpoint) -> None:
        """Stop new traffic to ``endpoint`` at once (under 1 ms). Idempotent. Its interface still exists."""

    async def reap(self, network: Network, endpoints: Sequence[Endpoint]) -> None:
        """Destroy the interfaces of detached endpoints; slow; returns when they are gone. Idempotent."""

    async def adopt(self, network: Network, endpoints: Sequence[Endpoint]) -> None:
        """At start: ``endpoints`` are alive. Mend their rules; remove interfaces that belong to none of them."""

    async def release(self, network: Network) -> None:
        """The network has no endpoints any more: leave no bridge, no rule. Idempotent."""

    async def verify(self, network: Network, endpoints: Sequence[Endpoint]) -> list[str]:
        """A sentence for each thing that is missing for ``endpoints`` or left over without one."""

    def close(self) -> None:
        """Let go of threads and sockets; the kernel's objects stay."""
