"""How often: requests of an address and of a user, and failed logins. Each process counts for itself."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

from pier.registry.refusals import Code, Refusal
from pier.registry.settings import Settings

_MOST: Final = 20_000
_MANY_ADDRESSES: Final = 10
"""Times as many failed logins a user's name may have as an address: a guesser must not lock the user out too easily."""


class Buckets:
    """A bucket of ``burst`` for each key, filled with ``rate`` a second. Without a rate nothing is limited."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one. 0 where there was one, else the seconds until there is (and nothing is taken)."""
        if not self._rate or not key:
            return 0.0
        level = self._level(key)
        if level < 1.0:
            return (1.0 - level) / self._rate
        self._set(key, level - 1.0)
        return 0.0

    def give_back(self, key: str) -> None:
        if self._rate and key:
            self._set(key, min(self._burst, self._level(key) + 1.0))

    def _level(self, key: str) -> float:
        level, since = self._levels.get(key, (self._burst, 0.0))
        return min(self._burst, level + (self._clock() - since) * self._rate)

    def _set(self, key: str, level: float) -> None:
        self._levels[key] = (level, self._clock())
        self._levels.move_to_end(key)
        while len(self._levels) > _MOST:
            self._levels.popitem(last=False)


class Limits:
    """All of one process."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        burst = settings.rate_burst
        self._addresses = Buckets(settings.rate_address, burst or 2 * settings.rate_address, clock)
        self._users = Buckets(settings.rate_user, burst or 2 * settings.rate_user, clock)
        failures = settings.failed_logins
        self._failing_addresses = Buckets(failures / 60, failures, clock)
        self._failing_names = Buckets(_MANY_ADDRESSES * failures / 60, _MANY_ADDRESSES * failures, clock)

    def request(self, address: str) -> None:
        """Raises Refusal TOOMANYREQUESTS."""
        _refuse(self._addresses.take(house_of(address)), "too many requests")

    def of_user(self, name: str) -> None:
        _refuse(self._users.take(name), "too many requests")

    def login(self, address: str, name: str) -> None:
        """Before a password is checked: counted as failed, until :meth:`right`. Raises Refusal TOOMANYREQUESTS."""
        house = house_of(address)
        _refuse(self._failing_addresses.take(house), "too many failed logins")
        wait = self._failing_names.take(name)
        if wait:
            self._failing_addresses.give_back(house)
            _refuse(wait, "too many failed logins")

    def right(self, address: str, name: str) -> None:
        self._failing_addresses.give_back(house_of(address))
        self._failing_names.give_back(name)


def house_of(address: str) -> str:
    """What is counted together: an IPv4 address, and of IPv6 the network that one house has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else str(int(parsed) >> 64)


def _refuse(wait: float, message: str) -> None:
    if wait:
        raise Refusal(Code.TOOMANYREQUESTS, message, headers={"Retry-After": str(max(1, math.ceil(wait)))})
