"""``/etc/resolv.conf`` for containers."""

import pytest

from pier.networks.hosts import hosts_file
from pier.networks.resolv import Resolvers, for_container, loopback_resolver, parse

NONE = Resolvers()


def test_parse() -> None:
    text = (
        "# c\nnameserver 1.1.1.1 # x\nnameserver nonsense\n;x\nsearch a\nsearch b c\noptions ndots:2 rotate\nnameserver"
    )
    assert parse(text) == Resolvers(("1.1.1.1",), ("b", "c"), ("ndots:2", "rotate"))
    assert parse("domain example.org\n").search == ("example.org",)
    assert parse("") == NONE


@pytest.mark.parametrize(
    ("host", "resolved", "nameservers"),
    [
        ("nameserver 10.0.0.53", "", ["10.0.0.53"]),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.53", "", ["10.0.0.53"]),
        ("nameserver ::1\nnameserver 2001:db8::1\nnameserver 10.0.0.53", "", ["10.0.0.53"]),
        ("nameserver 127.0.0.53", "nameserver 10.9.9.9", ["10.9.9.9"]),
        ("nameserver 127.0.0.1", "", ["172.29.0.1"]),
        ("nameserver 127.0.0.1", "nameserver 10.9.9.9", ["172.29.0.1"]),
        ("nameserver 127.0.0.53", "", ["172.29.0.1"]),
        ("nameserver ::1", "", ["172.29.0.1"]),
        ("", "", ["8.8.8.8", "8.8.4.4"]),
        ("nameserver 2001:db8::1", "", ["8.8.8.8", "8.8.4.4"]),
    ],
)
def test_nameservers_that_a_container_can_reach(host: str, resolved: str, nameservers: list[str]) -> None:
    text = for_container(parse(host), parse(resolved), "172.29.0.1")
    assert text == "".join(f"nameserver {server}\n" for server in nameservers)


@pytest.mark.parametrize(
    ("host", "resolved", "resolver"),
    [
        ("nameserver 127.0.0.1", "", "127.0.0.1"),
        ("nameserver 127.0.1.1", "", "127.0.1.1"),
        ("nameserver ::1", "", "127.0.0.1"),
        ("nameserver 127.0.0.53", "nameserver 10.9.9.9", ""),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.53", "", ""),
        ("", "", ""),
    ],
)
def test_loopback_resolver_is_forwarded_to_only_where_there_is_no_other(
    host: str, resolved: str, resolver: str
) -> None:
    assert loopback_resolver(parse(host), parse(resolved)) == resolver


def test_each_setting_replaces_the_hosts() -> None:
    host = parse("nameserver 10.0.0.53\nsearch corp\noptions rotate\n")
    assert for_container(host, NONE, "", dns=["1.1.1.1"]) == "nameserver 1.1.1.1\nsearch corp\noptions rotate\n"
    assert for_container(host, NONE, "", search=["lab"]) == "nameserver 10.0.0.53\nsearch lab\noptions rotate\n"
    assert for_container(host, NONE, "", search=["."]) == "nameserver 10.0.0.53\noptions rotate\n"
    assert for_container(host, NONE, "", options=["ndots:3"]) == "nameserver 10.0.0.53\nsearch corp\noptions ndots:3\n"
    assert "127.0.0.1" in for_container(host, NONE, "", dns=["127.0.0.1"])  # asked for by name


def test_hosts_file() -> None:
    text = hosts_file(["172.29.0.2"], "web", "example.org", [("db", "10.0.0.5")])
    assert text.splitlines()[0] == "127.0.0.1\tlocalhost"
    assert text.splitlines()[-2:] == ["10.0.0.5\tdb", "172.29.0.2\tweb.example.org web"]
    assert hosts_file([], "web").splitlines()[-1] == "ff02::2\tip6-allrouters"
