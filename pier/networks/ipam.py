"""Addresses: which subnet a bridge gets, and which address a container gets. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import chain
from typing import Final

from pier.errors import Conflict, InvalidArgument, NoSpace

POOLS: Final = (
    IPv4Network("172.29.0.0/16"),
    IPv4Network("172.30.0.0/16"),
    IPv4Network("192.168.208.0/20"),
    IPv4Network("10.201.0.0/16"),
)
"""Where subnets are taken from: ranges that Docker and common private networks reach for last."""

PREFIX_LEN: Final = 22
"""A subnet's size: 1,021 containers, which is what a Linux bridge has ports for."""


def pick_subnet(taken: Iterable[IPv4Network]) -> IPv4Interface:
    """The gateway of the first subnet that overlaps none of ``taken``. NoSpace where there is none."""
    used = [network for network in taken if network.prefixlen > 0]
    for subnet in chain.from_iterable(pool.subnets(new_prefix=PREFIX_LEN) for pool in POOLS):
        if not any(subnet.overlaps(other) for other in used):
            return IPv4Interface((subnet.network_address + 1, PREFIX_LEN))
    raise NoSpace("all predefined address pools have been fully subnetted")


def parse_bip(bip: str) -> IPv4Interface:
    """``--bip``: the bridge's own address with its prefix length. InvalidArgument with the flag's name."""
    try:
        interface = IPv4Interface(bip)
    except ValueError as error:
        raise InvalidArgument(f"invalid --bip {bip!r}: expected an IPv4 address in CIDR form") from error
    subnet = interface.network
    if "/" not in bip or subnet.prefixlen > 30 or interface.ip in (subnet.network_address, subnet.broadcast_address):
        raise InvalidArgument(f"invalid --bip {bip!r}: expected a host address and a prefix length up to 30")
    return interface


class Leases:
    """Who has which address of one subnet. Addresses are handed out in a circle, so that one rests after its use."""

    def __init__(self, gateway: IPv4Interface) -> None:
        self.subnet = gateway.network
        self._leased: set[IPv4Address] = {gateway.ip}
        self._next = int(self.subnet.network_address) + 1

    def take(self, wanted: str = "") -> str:
        """Lease ``wanted``, or the next free address. Conflict, InvalidArgument or NoSpace."""
        address = self._wanted(wanted) if wanted else self._free()
        self._leased.add(address)
        return str(address)

    def give_back(self, address: str) -> None:
        """End a lease; of an address that is not leased, nothing."""
        self._leased.discard(IPv4Address(address))

    def _wanted(self, wanted: str) -> IPv4Address:
        try:
            address = IPv4Address(wanted)
        except ValueError as error:
            raise InvalidArgument(f"invalid IPv4 address: {wanted}") from error
        if address not in self.subnet or address in (self.subnet.network_address, self.subnet.broadcast_address):
            raise InvalidArgument(f"no configured subnet contains IP address {wanted}")
        if address in self._leased:
            raise Conflict("Address already in use")
        return address

    def _free(self) -> IPv4Address:
        first, last = int(self.subnet.network_address) + 1, int(self.subnet.broadcast_address) - 1
        count = last - first + 1
        for step in range(count):
            number = first + (self._next - first + step) % count
            if IPv4Address(number) not in self._leased:
                self._next = number + 1
                return IPv4Address(number)
        raise NoSpace("no available IPv4 addresses on this network's address pools")


def mac_for(address: str) -> str:
    """The hardware address that belongs to an address, so that neighbours' caches stay right."""
    return "02:42:" + IPv4Address(address).packed.hex(":")
