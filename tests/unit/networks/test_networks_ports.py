"""Host ports: chosen, held, refused in Docker's words. High ports of this machine's loopback serve as the host's."""

import socket
from collections.abc import Iterator

import pytest

from pier.errors import InvalidArgument, PierError, Unsupported
from pier.networks.network import PortBinding, PortRequest
from pier.networks.ports import HostPorts, PortInUse

HERE = "127.0.0.1"


@pytest.fixture
def ports() -> Iterator[HostPorts]:
    made = HostPorts()
    yield made
    made.release(made.held)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
        return port


def can_bind(port: int, kind: int = socket.SOCK_STREAM) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError:
            return False
        return True


def test_a_held_port_is_nobody_elses_and_refuses_connections(ports: HostPorts) -> None:
    number = free_port()
    (binding,) = ports.publish([PortRequest(80, "tcp", HERE, number)])
    assert binding == PortBinding(80, "tcp", HERE, number)
    assert not can_bind(number)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, number))
    ports.release([binding])
    ports.release([binding])
    assert can_bind(number)


def test_protocols_have_ports_of_their_own(ports: HostPorts) -> None:
    number = free_port()
    ports.publish([PortRequest(53, "tcp", HERE, number), PortRequest(53, "udp", HERE, number)])
    assert not can_bind(number, socket.SOCK_DGRAM)


def test_a_port_that_a_server_has_just_left_can_be_published(ports: HostPorts) -> None:
    number = free_port()
    with socket.create_server((HERE, number)) as server:
        client = socket.create_connection((HERE, number))
        accepted, _ = server.accept()
        accepted.close()  # the server closes first: its side stays in TIME_WAIT
        assert client.recv(1) == b""
        client.close()
    ports.publish([PortRequest(80, "tcp", HERE, number)])
    assert not can_bind(number)


def test_ones_own_port_twice(ports: HostPorts) -> None:
    number = free_port()
    ports.publish([PortRequest(80, "tcp", HERE, number)])
    with pytest.raises(PortInUse) as caught:
        ports.publish([PortRequest(81, "tcp", HERE, number)])
    assert str(caught.value) == f"Bind for {HERE}:{number} failed: port is already allocated"
    with pytest.raises(PortInUse, match=r"Bind for 0\.0\.0\.0:\d+ failed: port is already allocated"):
        ports.publish([PortRequest(81, "tcp", "", number)])


def test_another_programs_port(ports: HostPorts) -> None:
    with socket.create_server((HERE, 0)) as server:
        number = server.getsockname()[1]
        with pytest.raises(PortInUse) as caught:
            ports.publish([PortRequest(80, "tcp", HERE, number)])
    assert str(caught.value) == f"failed to bind host port {HERE}:{number}/tcp: address already in use"


def test_all_or_nothing(ports: HostPorts) -> None:
    first, second = free_port(), free_port()
    ports.publish([PortRequest(1, "tcp", HERE, second)])
    with pytest.raises(PortInUse):
        ports.publish([PortRequest(80, "tcp", HERE, first), PortRequest(81, "tcp", HERE, second)])
    assert can_bind(first)


def test_any_port_is_one_of_the_ephemeral_range_and_the_next_is_another(ports: HostPorts) -> None:
    first, second = ports.publish([PortRequest(80, "tcp", HERE), PortRequest(81, "tcp", HERE)])
    assert 1024 <= first.host_port < second.host_port


def test_a_range_gives_its_first_free_port(ports: HostPorts) -> None:
    number = free_port()
    request = PortRequest(80, "tcp", HERE, number, number + 1)
    got = [ports.publish([request])[0].host_port for _ in range(2)]
    assert got == [number, number + 1]
    with pytest.raises(PortInUse, match=f"Bind for {HERE}:{number}-{number + 1} failed: port is already allocated"):
        ports.publish([request])


def test_both_wildcards_mean_one_port(ports: HostPorts) -> None:
    number = free_port()
    bindings = ports.publish([PortRequest(80, "tcp", "", number), PortRequest(80, "tcp", "::", number)])
    assert bindings == (PortBinding(80, "tcp", "0.0.0.0", number),)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (PortRequest(80, "tcp", "::1", 8080), Unsupported),
        (PortRequest(80, "sctp", "", 8080), Unsupported),
        (PortRequest(80, "tcp", "example.org", 8080), InvalidArgument),
    ],
)
def test_what_cannot_be_published(ports: HostPorts, request_: PortRequest, kind: type[PierError]) -> None:
    with pytest.raises(kind):
        ports.publish([request_])


def test_holding_again_tells_what_was_lost(ports: HostPorts) -> None:
    mine = PortBinding(80, "tcp", HERE, free_port())
    with socket.create_server((HERE, 0)) as server:
        taken = PortBinding(81, "tcp", HERE, server.getsockname()[1])
        assert ports.hold([mine, taken]) == [taken]
    assert ports.held == {mine}
