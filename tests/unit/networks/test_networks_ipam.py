"""Subnets and addresses."""

from ipaddress import IPv4Interface, IPv4Network

import pytest

from pier.errors import Conflict, InvalidArgument, NoSpace
from pier.networks.ipam import POOLS, Leases, mac_for, parse_bip, pick_subnet


@pytest.mark.parametrize(
    ("taken", "gateway"),
    [
        ([], "172.29.0.1/22"),
        (["0.0.0.0/0"], "172.29.0.1/22"),
        (["172.29.0.0/24"], "172.29.4.1/22"),
        (["172.29.1.7/32"], "172.29.4.1/22"),
        (["172.29.0.0/16"], "172.30.0.1/22"),
        (["172.16.0.0/12"], "192.168.208.1/22"),
        (["172.16.0.0/12", "192.168.0.0/16"], "10.201.0.1/22"),
    ],
)
def test_subnet_clashes_with_nothing(taken: list[str], gateway: str) -> None:
    assert pick_subnet(map(IPv4Network, taken)) == IPv4Interface(gateway)


def test_no_subnet_is_left() -> None:
    with pytest.raises(NoSpace, match="all predefined address pools have been fully subnetted"):
        pick_subnet(POOLS)


@pytest.mark.parametrize("bip", ["", "nonsense", "10.0.0.1", "10.0.0.0/24", "10.0.0.255/24", "10.0.0.1/31", "::1/64"])
def test_bip_that_is_no_host_address_is_refused(bip: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid --bip"):
        parse_bip(bip)


def test_addresses_rest_after_their_use() -> None:
    leases = Leases(IPv4Interface("10.0.0.1/29"))
    assert leases.take() == "10.0.0.2"
    leases.give_back("10.0.0.2")
    assert [leases.take() for _ in range(5)] == [f"10.0.0.{last}" for last in (3, 4, 5, 6, 2)]
    with pytest.raises(NoSpace, match="no available IPv4 addresses"):
        leases.take()
    leases.give_back("10.0.0.4")
    assert leases.take() == "10.0.0.4"


def test_chosen_addresses() -> None:
    leases = Leases(IPv4Interface("10.0.0.1/24"))
    assert leases.take("10.0.0.77") == "10.0.0.77"
    for wanted, kind in (
        ("10.0.0.77", Conflict),
        ("10.0.0.1", Conflict),
        ("10.0.0.0", InvalidArgument),
        ("10.0.0.255", InvalidArgument),
        ("10.0.1.1", InvalidArgument),
        ("nonsense", InvalidArgument),
    ):
        with pytest.raises(kind):
            leases.take(wanted)


def test_giving_back_twice_is_nothing() -> None:
    leases = Leases(IPv4Interface("10.0.0.1/24"))
    leases.give_back("10.0.0.9")


def test_an_address_has_one_mac() -> None:
    assert mac_for("172.31.255.3") == "02:42:ac:1f:ff:03"
