"""Samples of usage in the API's shape, and processes as ps shows them."""

import pytest

from pier.containers.config import ContainerConfig
from pier.containers.container import Container
from pier.containers.hostconfig import HostConfig
from pier.containers.stats import Sample, render
from pier.containers.top import parse_processes, split_arguments
from pier.errors import InvalidArgument
from pier.linux.cgroup_usage import DeviceIo, HostTimes, Memory, Processor, Usage

RECORD = Container(
    id="c" * 64, name="web", created=1, image_id="sha256:0", parent=None, path="true", image_name="busybox",
    config=ContainerConfig(), host_config=HostConfig(),
)  # fmt: skip
HOST = HostTimes(processor=10_000, online=2, memory=1 << 30)


def sample(at: int, usage: Usage) -> Sample:
    return Sample(at, usage, HOST, {"lo": (1,) * 16, "eth0": tuple(range(16))})


V2 = Usage(
    2, Processor(total=500, user=300, kernel=200), Memory(4096, None, details={"inactive_file": 96}), 3, None,
    (DeviceIo(8, 0, "read", 4096),), (DeviceIo(8, 0, "read", 1),),
)  # fmt: skip
V1 = Usage(
    1, Processor(total=900, each=(400, 500), periods=4, throttled_periods=2, throttled_time=7),
    Memory(8192, 1 << 20, 9000, 1, {"total_inactive_file": 5}), 4, 100, (), (DeviceIo(8, 0, "Read", 1),),
)  # fmt: skip


def test_v2() -> None:
    made = render(RECORD, sample(2_000_000_000, V2), sample(1_000_000_000, V2))
    assert (made["name"], made["id"]) == ("/web", "c" * 64)
    assert (made["read"], made["preread"]) == ("1970-01-01T00:00:02Z", "1970-01-01T00:00:01Z")
    assert made["memory_stats"] == {"usage": 4096, "stats": {"inactive_file": 96}, "limit": 1 << 30}
    assert made["pids_stats"] == {"current": 3, "limit": 2**64 - 1}
    assert made["cpu_stats"]["cpu_usage"] == {
        "total_usage": 500, "usage_in_kernelmode": 200, "usage_in_usermode": 300,
    }  # fmt: skip
    assert (made["cpu_stats"]["system_cpu_usage"], made["precpu_stats"]["online_cpus"]) == (10_000, 2)
    blocks = made["blkio_stats"]
    assert blocks["io_service_bytes_recursive"] == [{"major": 8, "minor": 0, "op": "read", "value": 4096}]
    assert blocks["io_serviced_recursive"] is None
    assert made["networks"] == {
        "eth0": {
            "rx_bytes": 0, "rx_packets": 1, "rx_errors": 2, "rx_dropped": 3,
            "tx_bytes": 8, "tx_packets": 9, "tx_errors": 10, "tx_dropped": 11,
        }
    }  # fmt: skip


def test_v1_and_one_shot() -> None:
    made = render(RECORD, sample(2_000_000_000, V1), None)
    assert made["preread"] == "0001-01-01T00:00:00Z"
    assert made["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert "system_cpu_usage" not in made["precpu_stats"]
    assert made["cpu_stats"]["cpu_usage"]["percpu_usage"] == [400, 500]
    assert made["cpu_stats"]["throttling_data"] == {"periods": 4, "throttled_periods": 2, "throttled_time": 7}
    memory = made["memory_stats"]
    assert (memory["limit"], memory["max_usage"], memory["failcnt"]) == (1 << 20, 9000, 1)
    assert made["blkio_stats"]["io_serviced_recursive"] is not None


def test_stopped() -> None:
    made = render(RECORD, None, None)
    assert (made["read"], made["memory_stats"], made["pids_stats"]) == ("0001-01-01T00:00:00Z", {}, {})
    assert "networks" not in made


def test_processes() -> None:
    output = "UID   PID  PPID CMD\nroot    1     0 /sbin/init splash\nroot   42     1 sh -c  'a b'\nroot  142     1 x\n"
    assert parse_processes(output, {42}) == {
        "Titles": ["UID", "PID", "PPID", "CMD"],
        "Processes": [["root", "42", "1", "sh -c  'a b'"]],
    }
    threads = "PID SPID CMD\n42 - sh\n- 43 -\n50 - x\n- 51 -\n"
    assert parse_processes(threads, {42})["Processes"] == [["42", "-", "sh"], ["-", "43", "-"]]
    assert parse_processes("PID\n", set())["Processes"] == []
    for nothing in ("", "CMD\nsh\n"):
        with pytest.raises(InvalidArgument, match="Couldn't find PID field in ps output"):
            parse_processes(nothing, {1})


def test_arguments() -> None:
    assert split_arguments("") == ["-ef"]
    assert split_arguments("-o pid,comm") == ["-o", "pid,comm"]
    assert split_arguments("-o pid=PID") == ["-o", "pid=PID"]
    with pytest.raises(InvalidArgument, match='specifying "ppid=PID" is not allowed'):
        split_arguments("-eo ppid=PID")
    with pytest.raises(InvalidArgument, match="invalid ps arguments"):
        split_arguments("-o 'pid")
