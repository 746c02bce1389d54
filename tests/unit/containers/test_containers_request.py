"""From a request's bytes to a checked configuration."""

import json
from typing import Any

import msgspec
import pytest

from pier.containers.config import ContainerConfig, CreateRequest, HealthConfig, decode_create
from pier.containers.deps import Settings
from pier.containers.hostconfig import HostConfig, HostPort, RestartPolicy, Ulimit
from pier.containers.merge import command, merge, merge_env
from pier.containers.normal import normal_config, normal_host
from pier.containers.ports import exposed, parse_port, port_list, port_map, port_requests
from pier.containers.validate import parse_extra_host, parse_size, validate, validate_request
from pier.containers.view import config_json, host_config_json
from pier.errors import InvalidArgument
from pier.networks.network import PortBinding, PortRequest
from pier.oci.image import ExecutionConfig

CPUS = frozenset(range(4))


def decoded(**body: Any) -> CreateRequest:
    return decode_create(json.dumps(body).encode())


def test_the_names_of_the_api_are_understood() -> None:
    request = decoded(
        Image="box", Cmd="ls", Entrypoint=["sh", "-c"], Hostname=None, Unknown={"x": 1},
        HostConfig={"Memory": 5, "UTSMode": "host", "IOMaximumIOps": 3, "BlkioDeviceReadIOps": [{"Rate": 1}],
                    "PortBindings": {"80/tcp": [{"HostPort": "8080"}], "81/tcp": None}, "Dns": []},
        NetworkingConfig={"EndpointsConfig": {"n": {"IPAMConfig": {"IPv4Address": "10.0.0.1"}}}},
    )  # fmt: skip
    host = request.host_config
    assert (request.cmd, request.entrypoint, request.hostname) == (("ls",), ("sh", "-c"), "")
    assert (host.memory, host.uts_mode, host.io_maximum_iops, host.dns) == (5, "host", 3, ())
    assert host.port_bindings == {"80/tcp": (HostPort(host_port="8080"),)}
    networks = request.networking_config.endpoints_config
    assert networks is not None and networks["n"].ipam_config is not None
    assert networks["n"].ipam_config.ipv4_address == "10.0.0.1"
    assert type(request.config) is ContainerConfig


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'{"Env":"x"}', b'{"HostConfig":{"Memory":"5"}}', b"[" * 99999]
)
def test_bodies_that_are_none(body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        decode_create(body)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "image", "expected"),
    [
        (None, None, (["e"], ["c"]), ("e", "c")),
        (None, ("x",), (["e"], ["c"]), ("e", "x")),
        (("n",), None, (["e"], ["c"]), ("n",)),
        (("n",), ("x",), (["e"], ["c"]), ("n", "x")),
        (None, None, (None, ["c"]), ("c",)),
        (None, (), (None, ["c"]), ("c",)),
        ((), ("x",), (["e"], ["c"]), ("x",)),
        (("",), ("x",), (["e"], ["c"]), ("x",)),
    ],
)
def test_entrypoint_and_command(
    entrypoint: tuple[str, ...] | None,
    cmd: tuple[str, ...] | None,
    image: tuple[list[str] | None, list[str]],
    expected: tuple[str, ...],
) -> None:
    merged = merge(ContainerConfig(entrypoint=entrypoint, cmd=cmd), ExecutionConfig(entrypoint=image[0], cmd=image[1]))
    path, arguments = command(merged)
    assert (path, *arguments) == expected


def test_the_rest_of_the_image() -> None:
    image = ExecutionConfig(
        user="web", env=["PATH=/bin", "A=image"], working_dir="/srv", labels={"a": "1", "b": "2"},
        volumes={"/v": {}}, exposed_ports={"80/tcp": {}}, stop_signal="SIGINT", stop_timeout=3,
    )  # fmt: skip
    merged = merge(ContainerConfig(env=("A=mine",), labels={"b": "3"}, exposed_ports={"81/tcp": {}}), image)
    assert merged.env == ("A=mine", "PATH=/bin")
    assert merged.labels == {"a": "1", "b": "3"}
    assert merged.exposed_ports == {"80/tcp": {}, "81/tcp": {}}
    assert (merged.user, merged.working_dir, merged.stop_signal, merged.stop_timeout) == ("web", "/srv", "SIGINT", 3)
    assert merge(ContainerConfig(stop_timeout=0, user="0"), image).stop_timeout == 0
    assert merge_env(None, None) is None


VALID = ContainerConfig(cmd=("sh",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": 5 << 20}, "Minimum memory limit allowed is 6MB"),
        (
            {"memory": 1 << 30, "memory_swap": 1 << 29},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        ({"memory_swap": 1 << 29}, "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (
            {"memory": 1 << 30, "memory_reservation": 1 << 31},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"memory_swappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
        ({"nano_cpus": 100_000_000_000}, "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"),
        ({"nano_cpus": 1, "cpu_quota": 1}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        ({"cpuset_cpus": "77"}, "Requested CPUs are not available - requested 77, available: 0-3"),
        ({"cpuset_cpus": "a"}, "Invalid value a for cpuset cpus: invalid format: a"),
        ({"cpuset_cpus": "0-99999999"}, "Invalid value 0-99999999 for cpuset cpus: invalid format: 0-99999999"),
        ({"shm_size": -1}, "SHM size can not be less than 0"),
        ({"oom_score_adj": -2000}, "Invalid value -2000, range for oom score adj is [-1000, 1000]"),
        ({"ulimits": (Ulimit(name="foo"),)}, "invalid ulimit type: foo"),
        (
            {"ulimits": (Ulimit(name="nofile", soft=5, hard=1),)},
            "ulimit soft limit must be less than or equal to hard limit: 5 > 1",
        ),
        (
            {"auto_remove": True, "restart_policy": RestartPolicy(name="always")},
            "can't create 'AutoRemove' container with restart policy",
        ),
        ({"isolation": "process"}, "Invalid isolation: \"process\" - linux only supports 'default'"),
        ({"port_bindings": {"80/tcp": (HostPort(host_port="99999"),)}}, 'invalid port specification: "99999"'),
        ({"port_bindings": {"99999/tcp": ()}}, 'invalid port specification: "99999"'),
        ({"port_bindings": {"80/foo": ()}}, "invalid proto: foo"),
    ],
)
def test_limits_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate(VALID, HostConfig(**changes), CPUS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cmd": None}, "no command specified"),
        ({"working_dir": "rel"}, "the working directory 'rel' is invalid, it needs to be an absolute path"),
        ({"env": ("",)}, "invalid environment variable: "),
        ({"env": ("=a",)}, "invalid environment variable: =a"),
        ({"stop_signal": "FOO"}, "invalid signal: FOO"),
        ({"healthcheck": HealthConfig(interval=1)}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"cmd": ("a\0b",)}, "invalid command: it contains a NUL byte"),
    ],
)
def test_processes_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate(msgspec.structs.replace(VALID, **changes), HostConfig(), CPUS)
    assert str(caught.value) == message


PEER = "container:other"


@pytest.mark.parametrize(
    ("config", "host", "message"),
    [
        ({}, {"network_mode": "container:"}, "Invalid network mode: invalid container format container:<name|id>"),
        ({"hostname": "h"}, {"network_mode": PEER}, "conflicting options: hostname and the network mode"),
        ({}, {"network_mode": PEER, "dns": ("1.1.1.1",)}, "conflicting options: dns and the network mode"),
        (
            {},
            {"network_mode": PEER, "port_bindings": {"80/tcp": ()}},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            {"exposed_ports": {"80/tcp": {}}},
            {"network_mode": PEER},
            "conflicting options: port exposing and the container type network mode",
        ),
        (
            {},
            {"network_mode": PEER, "extra_hosts": ("a:1.2.3.4",)},
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        ({}, {"pid_mode": "foo"}, "invalid PID mode: foo"),
        ({}, {"ipc_mode": "foo"}, "invalid IPC mode: foo"),
        ({}, {"uts_mode": "foo"}, "invalid UTS mode: foo"),
        ({}, {"cgroupns_mode": "foo"}, "invalid cgroup namespace mode: foo"),
        ({"hostname": "h"}, {"uts_mode": "host"}, "conflicting options: hostname and the UTS mode"),
        ({}, {"extra_hosts": ("foo",)}, 'bad format for add-host: "foo"'),
        ({}, {"extra_hosts": ("foo:bar",)}, 'invalid IP address in add-host: "bar"'),
        ({}, {"security_opt": ("foo",)}, 'invalid --security-opt 1: "foo"'),
        ({}, {"security_opt": ("foo=bar",)}, 'invalid --security-opt 2: "foo=bar"'),
        ({}, {"device_cgroup_rules": ("x",)}, "invalid device cgroup rule format: 'x'"),
        ({"mac_address": "foo"}, {}, "invalid MAC address foo"),
    ],
)
def test_options_that_exclude_each_other(config: dict[str, Any], host: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate_request(ContainerConfig(**config), HostConfig(**host))
    assert str(caught.value) == message


def test_warnings() -> None:
    host = HostConfig(network_mode="host", port_bindings={"80/tcp": ()}, oom_kill_disable=True)
    assert [text.split()[0] for text in validate(VALID, host, CPUS)] == ["OOM", "Published"]


def test_extra_hosts() -> None:
    assert parse_extra_host("a:1.2.3.4") == ("a", "1.2.3.4")
    assert parse_extra_host("a:::1") == ("a", "::1")
    assert parse_extra_host("a=[::1]") == ("a", "::1")
    assert parse_extra_host("a:host-gateway") == ("a", "host-gateway")


def test_sizes() -> None:
    assert [parse_size(text) for text in ("10", "10m", "1.5k", "2GiB", "1 MB")] == [
        10,
        10 << 20,
        1536,
        2 << 30,
        1 << 20,
    ]
    with pytest.raises(InvalidArgument):
        parse_size("x")


def test_ports() -> None:
    config = ContainerConfig(exposed_ports={"53/udp": {}, "80/tcp": {}})
    host = HostConfig(port_bindings={"80": (HostPort(host_ip="127.0.0.1", host_port="8000-8010"), HostPort())})
    expected = (PortRequest(80, "tcp", "127.0.0.1", 8000, 8010), PortRequest(80, "tcp"))
    assert port_requests(config, host) == expected
    everything = msgspec.structs.replace(host, publish_all_ports=True)
    assert port_requests(config, everything) == (PortRequest(53, "udp"), *expected)
    assert exposed(ContainerConfig(exposed_ports={"53/UDP": {}, "80": {}})) == {"53/udp": {}, "80/tcp": {}}
    assert exposed(ContainerConfig()) is None
    assert parse_port("80/TCP") == (80, "tcp")


def test_ports_in_words() -> None:
    ports = port_map(["80/tcp", "81/tcp"], [PortBinding(80, "tcp", "0.0.0.0", 8080)])
    assert ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": None}
    assert port_list(ports) == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 81, "Type": "tcp"},
    ]


def test_what_is_left_open_is_filled_in() -> None:
    settings = Settings(cgroupns="private", shm_size=7)
    host = normal_host(HostConfig(memory=10 << 20, pids_limit=-1), settings, "crun")
    assert (host.network_mode, host.runtime, host.shm_size, host.memory_swap) == ("bridge", "crun", 7, 20 << 20)
    assert (host.cgroupns_mode, host.ipc_mode, host.pids_limit) == ("private", "private", None)
    assert host.masked_paths and normal_host(HostConfig(privileged=True), settings, "crun").masked_paths is None
    assert normal_host(HostConfig(runtime="runc"), settings, "crun").runtime == "crun"
    with pytest.raises(InvalidArgument, match="unknown or invalid runtime name: foo"):
        normal_host(HostConfig(runtime="foo"), settings, "crun")
    assert normal_config(VALID, host, "0123456789abcdef", "me").hostname == "0123456789ab"
    assert normal_config(VALID, HostConfig(network_mode="host"), "0123456789abcdef", "me").hostname == "me"


def test_inspect_shows_and_hides_as_docker_does() -> None:
    host = host_config_json(HostConfig(dns=(), sysctls={"a": "1"}))
    assert host["Dns"] in ([], ()) and host["Binds"] is None and host["Sysctls"] == {"a": "1"}
    assert not {"Mounts", "Tmpfs", "Init", "Annotations", "KernelMemory"} & set(host)
    config = config_json(ContainerConfig(stop_timeout=0))
    assert config["StopTimeout"] == 0 and config["Env"] is None
    assert not {"Healthcheck", "ExposedPorts", "Shell", "StopSignal", "NetworkDisabled"} & set(config)
