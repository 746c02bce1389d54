"""The rules that a plan becomes."""

from pier.networks.firewall import Plan, publishing, removal, ruleset
from pier.networks.network import Endpoint, PortBinding

PLAN = Plan("pier0", "172.29.0.0/22", "172.29.0.1")
WEB = Endpoint(
    id="e1",
    network_id="n1",
    network_name="bridge",
    container_id="c1",
    address="172.29.0.2",
    ports=(PortBinding(80, "tcp", "0.0.0.0", 8080), PortBinding(53, "udp", "127.0.0.1", 5353)),
)


def test_ports_are_elements_of_the_map_that_their_address_asks_for() -> None:
    assert publishing("pier0", WEB).splitlines() == [
        "add element ip pier-pier0 any { tcp . 8080 : 172.29.0.2 . 80 }",
        "add element ip pier-pier0 bound { 127.0.0.1 . udp . 5353 : 172.29.0.2 . 53 }",
    ]
    assert publishing("pier0", WEB, "delete").startswith("delete element ip pier-pier0 any {")


def test_the_table_is_replaced_whole_with_its_ports() -> None:
    text = ruleset(PLAN, [WEB])
    assert text.index("delete table ip pier-pier0") < text.index("table ip pier-pier0 {")
    assert text.endswith(publishing("pier0", WEB))
    assert removal("pier0").splitlines() == ["add table ip pier-pier0", "delete table ip pier-pier0"]


def test_loopback_is_guarded() -> None:
    text = ruleset(PLAN)
    assert 'iifname "pier0" ip daddr 127.0.0.0/8 drop' in text
    assert 'iifname != "lo" ip daddr 127.0.0.0/8 return' in text


def test_an_internal_network_neither_masquerades_nor_reaches_out() -> None:
    text = ruleset(Plan("pier0", "172.29.0.0/22", "172.29.0.1", internal=True))
    assert 'oifname != "pier0" masquerade' not in text
    assert 'iifname "pier0" drop' in text
    assert 'iifname "pier0" accept' in ruleset(PLAN)


def test_questions_to_the_gateway_go_to_the_hosts_resolver_where_there_is_one() -> None:
    assert "dport 53" not in ruleset(PLAN)
    text = ruleset(Plan("pier0", "172.29.0.0/22", "172.29.0.1", resolver="127.0.0.1"))
    assert 'iifname "pier0" ip daddr 172.29.0.1 meta l4proto { tcp, udp } th dport 53 dnat to 127.0.0.1' in text
