"""Netlink's encoding."""

from pier.linux.links import Veth, deleted, new_veth
from pier.linux.netlink import Message, attribute, attributes, nested, text


def test_attributes_are_padded_and_read_back() -> None:
    data = attribute(1, "abc") + attribute(2, 7) + nested(3, attribute(1, b"xyzzy"))
    assert len(data) % 4 == 0
    said = attributes(data)
    assert text(said[1]) == "abc" and said[2] == (7).to_bytes(4, "little")
    assert attributes(said[3]) == {1: b"xyzzy"}


def test_nonsense_ends_the_walk() -> None:
    assert attributes(b"") == {} and attributes(b"\x02\x00\x01\x00") == {}
    assert attributes(attribute(1, 5) + b"\xff\xff\x01\x00") == {1: (5).to_bytes(4, "little")}


def test_a_veth_request_names_both_ends() -> None:
    body = new_veth(Veth("veth1", 7, 1400, "eth0", "02:42:0a:00:00:02", 5)).body
    assert b"veth1\0" in body and b"eth0\0" in body and bytes.fromhex("02420a000002") in body


def test_the_end_of_a_link_is_not_its_leaving_a_bridge() -> None:
    name = attribute(3, "veth1")
    own, bridges = b"\0" * 16 + name, b"\x07" + b"\0" * 15 + name
    assert deleted([Message(17, 0, own), Message(17, 0, bridges), Message(16, 0, own)]) == ["veth1"]
