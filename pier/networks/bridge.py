"""The bridge driver: segments of the kernel, worked on by one thread, and rules that heal."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from pier.errors import Internal
from pier.linux import links
from pier.log import Logger
from pier.networks import segment
from pier.networks.network import Endpoint, Network
from pier.networks.rulewatch import RuleWatch
from pier.networks.segment import Segment

_log = Logger("pier.networks")
_CALM: Final = 0.1
"""Seconds to wait after another's change of rules, so that a restarting firewall is answered once."""
_IPTABLES_TABLE: Final = "filter"
_T = TypeVar("_T")


class BridgeDriver:
    """Implements :class:`pier.networks.driver.Driver`.

    One thread does all kernel work: it may change its network namespace, its sockets need no locks,
    and the kernel's news of rules name it as their author. ``resolver`` is called in that thread.
    """

    def __init__(self, resolver: Callable[[], str]) -> None:
        self._resolver = resolver
        self._thread = ThreadPoolExecutor(1, "pier-networks")
        self._sock = links.open_route_socket()
        self._segments: dict[str, Segment] = {}
        self._watch = RuleWatch(self._on_foreign_change)
        self._touched: set[str] | None = set()
        self._healing: asyncio.TimerHandle | None = None
        self._heals: set[asyncio.Task[None]] = set()

    async def settle(self, network: Network) -> Network:
        self._segments.pop(network.id, None)
        return await self.run(segment.settle, self._sock, network)

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path) -> None:
        await self.run(self._attach, self._segment(network), endpoint, sandbox)
        self._watch.listen()

    async def detach(self, network: Network, endpoint: Endpoint) -> None:
        if endpoint.ports:
            await self.run(self._segment(network).detach, endpoint)
        else:
            self._segment(network).forget(endpoint)

    async def reap(self, network: Network, endpoints: Sequence[Endpoint]) -> None:
        await self.run(self._segment(network).reap, endpoints)

    async def adopt(self, network: Network, endpoints: Sequence[Endpoint]) -> None:
        if network.subnet:
            await self.run(self._adopt, self._segment(network), endpoints)
            self._watch.listen()

    async def release(self, network: Network) -> None:
        found = self._segments.pop(network.id, None)
        if found is not None and found.up:
            await self.run(found.take_down)

    async def verify(self, network: Network, endpoints: Sequence[Endpoint]) -> list[str]:
        return await self.run(self._segment(network).verify, endpoints)

    def close(self) -> None:
        if self._healing is not None:
            self._healing.cancel()
        self._watch.close()
        self._thread.shutdown()
        self._sock.close()

    async def interfaces(self) -> frozenset[str]:
        """The names of all of the host's links."""
        return frozenset(link.name for link in await self.run(links.links, self._sock))

    async def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Call ``work`` in the driver's thread. What the kernel refuses is Internal."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except OSError as error:
            raise Internal(f"the kernel refuses to set up the network: {error}") from error

    def _segment(self, network: Network) -> Segment:
        found = self._segments.get(network.id)
        if found is None:
            found = self._segments[network.id] = Segment(self._sock, network, self._resolver)
        return found

    def _attach(self, found: Segment, endpoint: Endpoint, sandbox: Path) -> None:
        if not found.up:
            self._bring_up(found, [])
        found.attach(endpoint, sandbox)

    def _adopt(self, found: Segment, endpoints: Sequence[Endpoint]) -> None:
        if endpoints or found.exists():
            self._bring_up(found, endpoints)
            found.remove_strays(endpoints)

    def _bring_up(self, found: Segment, endpoints: Sequence[Endpoint]) -> None:
        self._watch.open()
        found.bring_up(endpoints)
        self._watch.learn(found.table)

    def _on_foreign_change(self, tables: frozenset[str] | None) -> None:
        """Remember what was touched (None: anything), and look at it when it has been calm for a while."""
        if tables is None or self._touched is None:
            self._touched = None
        else:
            self._touched |= tables
        if self._healing is None:
            self._healing = asyncio.get_running_loop().call_later(_CALM, self._begin_to_heal)

    def _begin_to_heal(self) -> None:
        touched, self._touched, self._healing = self._touched, set(), None
        for found in self._segments.values():
            if found.up and (touched is None or found.table in touched):
                self._begin(self._restore(found))
            elif found.up and touched is not None and _IPTABLES_TABLE in touched:
                self._begin(self.run(found.be_permitted))

    def _begin(self, healing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(healing)
        self._heals.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._heals.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("cannot restore the rules of a network", error=error)

    async def _restore(self, found: Segment) -> None:
        await self.run(found.rebuild)
        _log.info("rules were changed by another program and are restored", table=found.table)
