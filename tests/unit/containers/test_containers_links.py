"""Links: what they are called, and the variables that they give."""

import pytest

from pier.containers import links
from pier.containers.config import ContainerConfig, EndpointSettings
from pier.containers.container import Container
from pier.containers.hostconfig import HostConfig
from pier.containers.links import Link
from pier.containers.specplan import environment


def container(name: str, *ports: str, env: tuple[str, ...] = (), network: str = "bridge") -> Container:
    return Container(
        id=name,
        name=name,
        created=1,
        image_id="",
        image_name="",
        parent=None,
        config=ContainerConfig(hostname=f"host-{name}", exposed_ports={port: {} for port in ports}, env=env),
        host_config=HostConfig(links=("web:a-b",)),
        path="sh",
        networks={network: EndpointSettings()},
    )


@pytest.mark.parametrize(
    ("text", "link"),
    [("web", Link("web", "web")), ("web:site", Link("web", "site")), ("/web:/box/site", Link("web", "site"))],
)
def test_links(text: str, link: Link) -> None:
    assert links.parse_link(text) == link


def test_variables() -> None:
    target = container("web", "80/tcp", "53/udp", env=("X=1=2", "PATH=/x", "HOME=/y", "BARE"))
    assert links.variables(container("box"), Link("web", "a-b"), target, "10.0.0.2") == [
        "A_B_PORT=udp://10.0.0.2:53",
        "A_B_PORT_53_UDP=udp://10.0.0.2:53",
        "A_B_PORT_53_UDP_ADDR=10.0.0.2",
        "A_B_PORT_53_UDP_PORT=53",
        "A_B_PORT_53_UDP_PROTO=udp",
        "A_B_PORT_80_TCP=tcp://10.0.0.2:80",
        "A_B_PORT_80_TCP_ADDR=10.0.0.2",
        "A_B_PORT_80_TCP_PORT=80",
        "A_B_PORT_80_TCP_PROTO=tcp",
        "A_B_NAME=/box/a-b",
        "A_B_ENV_X=1=2",
    ]
    assert links.variables(container("box"), Link("web", "x"), container("web"), "10.0.0.2") == ["X_NAME=/box/x"]


@pytest.mark.parametrize(
    ("ports", "ranges"),
    [
        (("80/tcp", "81/tcp"), []),
        (("80/tcp", "81/tcp", "82/tcp", "82/udp", "90/tcp"), ["P_PORT_80_TCP_START=tcp://a:80", "P_PORT_80_TCP_END=tcp://a:82"]),
        (("1/tcp", "8/tcp", "9/tcp", "10/tcp"), ["P_PORT_8_TCP_START=tcp://a:8", "P_PORT_8_TCP_END=tcp://a:10"]),
    ],
)  # fmt: skip
def test_ranges(ports: tuple[str, ...], ranges: list[str]) -> None:
    told = links.variables(container("box"), Link("web", "p"), container("web", *ports), "a")
    assert [text for text in told if text.partition("=")[0].endswith(("TCP_START", "TCP_END"))] == ranges


def test_names_and_what_inspect_shows() -> None:
    box = container("box")
    assert links.names(Link("web", "a-b"), container("web")) == ["a-b", "host-web", "web"]
    assert links.shown(box) == ["/web:/box/a-b"]
    assert links.has_variables(box) and not links.has_variables(container("box", network="mine"))


def test_the_containers_own_variables_win() -> None:
    told = environment(ContainerConfig(env=("DB_NAME=mine",)), "h", "/root", ("DB_NAME=theirs", "DB_PORT=1"))
    assert told[1:] == ("HOSTNAME=h", "DB_NAME=mine", "DB_PORT=1", "HOME=/root")
