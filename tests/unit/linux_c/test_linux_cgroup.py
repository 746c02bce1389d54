"""Control groups: what the kernel's files say, for all three kinds of host."""

from pathlib import Path

import pytest

from pier.linux.cgroup import (
    Hierarchies,
    frozen,
    leftovers,
    oom_kills,
    parse_membership,
    parse_mountinfo,
    pids,
    remove,
    thaw,
    warm,
)
from pier.linux.cgroup_usage import DeviceIo, parse_net_dev, read_host, read_usage

V2 = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "24 1 0:22 / / rw - ext4 /dev/vda rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
)
HYBRID = V1 + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


def test_unified() -> None:
    trees = parse_mountinfo(V2)
    assert (trees.version, trees.unified, dict(trees.controllers)) == (2, Path("/sys/fs/cgroup"), {})
    assert trees.directory("memory", "/pier/x") == Path("/sys/fs/cgroup/pier/x")
    assert trees.directories("/pier/x") == [Path("/sys/fs/cgroup/pier/x")]
    assert leftovers(trees) == []


def test_v1_and_hybrid() -> None:
    assert parse_mountinfo(V1).unified is None
    trees = parse_mountinfo(HYBRID)
    assert trees.version == 1
    assert sorted(trees.controllers) == ["cpu", "cpuacct", "freezer", "memory", "name=systemd"]
    assert trees.directory("cpuacct", "/x") == trees.directory("cpu", "/x") == Path("/sys/fs/cgroup/cpu,cpuacct/x")
    assert Path("/sys/fs/cgroup/unified/x") in trees.directories("/x")
    assert len(trees.directories("/x")) == 5
    with pytest.raises(FileNotFoundError, match="not mounted"):
        trees.directory("hugetlb", "/x")


def test_membership() -> None:
    text = "4:memory:/process/2a\n2:cpu,cpuacct:/\n1:name=systemd:/user.slice\n0::/a:b\n"
    groups = {"memory": "/process/2a", "cpu": "/", "cpuacct": "/", "name=systemd": "/user.slice", "": "/a:b"}
    assert parse_membership(text) == groups


@pytest.fixture
def unified(tmp_path: Path) -> Hierarchies:
    group = tmp_path / "pier/x"
    (group / "inner").mkdir(parents=True)
    files = {
        "cgroup.procs": "10\n11\n",
        "inner/cgroup.procs": "12\n",
        "cgroup.freeze": "1\n",
        "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n"
        "nr_periods 4\nnr_throttled 2\nthrottled_usec 7\n",
        "memory.current": "4096\n",
        "memory.max": "max\n",
        "memory.stat": "anon 4000\ninactive_file 96\n",
        "memory.events": "low 0\noom 3\noom_kill 2\n",
        "pids.current": "3\n",
        "pids.max": "100\n",
        "io.stat": "8:0 rbytes=4096 wbytes=512 rios=2 wios=1 dbytes=0 dios=0\n",
    }
    for name, text in files.items():
        (group / name).write_text(text)
    return Hierarchies(2, tmp_path, {})


def test_processes_and_state_of_v2(unified: Hierarchies) -> None:
    assert sorted(pids(unified, "/pier/x")) == [10, 11, 12]
    assert pids(unified, "/pier/none") == []
    assert oom_kills(unified, "/pier/x") == 2
    assert oom_kills(unified, "/pier/none") == 0
    assert frozen(unified, "/pier/x")
    thaw(unified, "/pier/x")
    assert not frozen(unified, "/pier/x")
    assert not frozen(unified, "/pier/none")


def test_usage_of_v2(unified: Hierarchies) -> None:
    usage = read_usage(unified, "/pier/x")
    assert (usage.processor.total, usage.processor.user, usage.processor.kernel) == (1_500_000, 1_000_000, 500_000)
    assert (usage.processor.periods, usage.processor.throttled_periods, usage.processor.throttled_time) == (4, 2, 7000)
    assert (usage.memory.usage, usage.memory.limit, usage.memory.details["inactive_file"]) == (4096, None, 96)
    assert (usage.pids, usage.pids_limit) == (3, 100)
    assert usage.bytes == (DeviceIo(8, 0, "read", 4096), DeviceIo(8, 0, "write", 512))
    assert usage.operations == (DeviceIo(8, 0, "read", 2), DeviceIo(8, 0, "write", 1))
    with pytest.raises(FileNotFoundError):
        read_usage(unified, "/pier/none")


def test_usage_of_v1(tmp_path: Path) -> None:
    files = {
        "cpu/x/cpu.stat": "nr_periods 9\nnr_throttled 5\nthrottled_time 123\n",
        "cpu/x/cpuacct.usage": "3000\n",
        "cpu/x/cpuacct.usage_percpu": "1000 2000 \n",
        "cpu/x/cpuacct.stat": "user 2\nsystem 1\n",
        "memory/x/memory.usage_in_bytes": "8192\n",
        "memory/x/memory.limit_in_bytes": "1048576\n",
        "memory/x/memory.max_usage_in_bytes": "9000\n",
        "memory/x/memory.failcnt": "1\n",
        "memory/x/memory.stat": "cache 1\ntotal_inactive_file 2\n",
        "memory/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
        "pids/x/pids.current": "7\n",
        "pids/x/pids.max": "max\n",
        "blkio/x/blkio.throttle.io_service_bytes_recursive": "254:0 Read 5\n254:0 Total 5\nTotal 5\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    folders = {"cpuacct": "cpu", **{name: name for name in ("cpu", "memory", "pids", "blkio")}}
    trees = Hierarchies(1, None, {controller: tmp_path / folder for controller, folder in folders.items()})
    usage = read_usage(trees, "/x")
    assert (usage.processor.total, usage.processor.each, usage.processor.throttled_time) == (3000, (1000, 2000), 123)
    assert usage.processor.user == 2 * usage.processor.kernel > 0
    assert (usage.memory.limit, usage.memory.peak, usage.memory.failures) == (1_048_576, 9000, 1)
    assert (usage.pids, usage.pids_limit) == (7, None)
    assert usage.bytes == (DeviceIo(254, 0, "Read", 5), DeviceIo(254, 0, "Total", 5))
    assert usage.operations == ()
    assert oom_kills(trees, "/x") == 4


def test_remove_takes_the_groups_below(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    trees = Hierarchies(2, tmp_path, {})
    remove(trees, "/a")
    remove(trees, "/a")
    assert not (tmp_path / "a").exists()


def test_warming_is_no_more_than_an_attempt(tmp_path: Path) -> None:
    warm(Hierarchies(2, tmp_path / "nowhere", {}))


def test_interfaces() -> None:
    text = (
        "Inter-|   Receive                            |  Transmit\n"
        " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls ...\n"
        "    lo:       1       2    3    4    0     0          0         0    5       6    7    8    0     0 0 0\n"
        "eth0:10 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n"
    )
    counters = parse_net_dev(text)
    assert counters["lo"][:4] == (1, 2, 3, 4)
    assert (counters["eth0"][0], counters["eth0"][8]) == (10, 50)


def test_host() -> None:
    host = read_host()
    assert host.online >= 1
    assert host.memory > 1 << 20
    assert host.processor > 0
