"""The OCI spec that a plan becomes."""

from pathlib import Path
from typing import Any

import pytest

from pier.errors import InvalidArgument, Unsupported
from pier.runtime.capabilities import ALL_NAMES, DEFAULT, effective, from_mask, normalise
from pier.runtime.filesystems import MASKED_PATHS, READONLY_PATHS
from pier.runtime.plan import (
    UNCONFINED,
    Device,
    DeviceRule,
    ExecPlan,
    HostFacts,
    IdMap,
    Resources,
    SpecMount,
    SpecPlan,
    Throttle,
    Ulimit,
)
from pier.runtime.resources import linux_resources
from pier.runtime.seccomp import parse
from pier.runtime.spec import build_process, build_spec

EVERYTHING = frozenset(ALL_NAMES)
PROFILE = parse('{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}')
NODE = Device("/dev/kvm", "c", 10, 232, 0o660, 0, 36, "rw")
HOST = HostFacts(1, EVERYTHING, (6, 18), "amd64", PROFILE, devices=(NODE,))


def spec_of(**plan: Any) -> dict[str, Any]:
    plan = {"args": ("true",), "rootfs": Path("/r"), "cgroup_path": "/pier/x", "netns": Path("/run/netns/x"), **plan}
    return build_spec(SpecPlan(**plan), HOST)


def namespaces(spec: dict[str, Any]) -> dict[str, str | None]:
    return {entry["type"]: entry.get("path") for entry in spec["linux"]["namespaces"]}


def mounted(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in spec["mounts"]}


def test_defaults() -> None:
    spec = spec_of(hostname="h", domainname="d")
    assert (spec["hostname"], spec["domainname"], spec["root"]) == ("h", "d", {"path": "/r", "readonly": False})
    process = spec["process"]
    assert process["user"] == {"uid": 0, "gid": 0, "additionalGids": [0]}
    assert {frozenset(names) for names in process["capabilities"].values()} == {DEFAULT}
    assert set(process["capabilities"]) == {"bounding", "effective", "permitted"}
    assert not {"rlimits", "oomScoreAdj", "apparmorProfile", "consoleSize"} & set(process)
    linux = spec["linux"]
    assert linux["maskedPaths"] == list(MASKED_PATHS)
    assert linux["readonlyPaths"] == list(READONLY_PATHS)
    assert linux["resources"] == {"devices": [{"allow": False, "type": "a", "access": "rwm"}]}
    assert linux["seccomp"]["syscalls"][0]["names"] == ["read"]
    assert "devices" not in linux
    wanted = {"mount": None, "network": "/run/netns/x", "uts": None, "pid": None, "ipc": None, "cgroup": None}
    assert namespaces(spec) == wanted
    assert linux["sysctl"]["net.ipv4.ip_unprivileged_port_start"] == "0"


def test_default_mounts() -> None:
    spec = spec_of()
    assert list(mounted(spec)) == [
        "/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm",
    ]  # fmt: skip
    assert mounted(spec)["/dev/shm"]["options"][-1] == "size=67108864"
    assert "ro" in mounted(spec)["/sys"]["options"]
    assert "ro" in mounted(spec)["/sys/fs/cgroup"]["options"]


def test_privileged() -> None:
    spec = spec_of(privileged=True, apparmor="docker-default", devices=())
    linux = spec["linux"]
    assert len(spec["process"]["capabilities"]["bounding"]) == len(ALL_NAMES)
    assert (linux["maskedPaths"], linux["readonlyPaths"], "seccomp" in linux) == ([], [], False)
    assert linux["resources"]["devices"] == [{"allow": True, "type": "a", "access": "rwm"}]
    assert linux["devices"][0]["path"] == "/dev/kvm"
    assert "ro" not in mounted(spec)["/sys"]["options"]
    assert "ro" not in mounted(spec)["/sys/fs/cgroup"]["options"]
    assert "apparmorProfile" not in spec["process"]


def test_modes() -> None:
    spec = spec_of(
        netns=None, pid_mode="host", ipc_mode="/proc/7/ns/ipc", uts_mode="host", cgroupns_mode="host", hostname="h"
    )
    assert namespaces(spec) == {"mount": None, "ipc": "/proc/7/ns/ipc"}
    assert "hostname" not in spec
    assert "sysctl" not in spec["linux"]
    assert mounted(spec)["/dev/shm"]["source"] == "/proc/7/root/dev/shm"
    assert mounted(spec_of(ipc_mode="host"))["/dev/shm"]["source"] == "/dev/shm"
    private = spec_of(ipc_mode="none")
    assert "/dev/shm" not in mounted(private)
    assert "ipc" in namespaces(private)


def test_user_namespace() -> None:
    maps = (IdMap(0, 100_000, 65_536),)
    spec = spec_of(userns="private", uid_maps=maps, gid_maps=maps, netns=None)
    assert "user" in namespaces(spec)
    assert spec["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
    assert mounted(spec)["/sys"]["type"] == "bind"
    joined = spec_of(userns="/run/user", uid_maps=maps, gid_maps=maps, netns=Path("/run/net"))
    assert (namespaces(joined)["user"], namespaces(joined)["network"]) == ("/run/user", "/run/net")
    assert mounted(joined)["/sys"]["type"] == "sysfs"
    assert "sysctl" not in joined["linux"]


def test_user_mounts_come_last_and_outer_ones_first() -> None:
    mounts = (
        SpecMount("bind", "/b", "/data/inner", ("ro",)),
        SpecMount("bind", "/a", "/data", ("rbind", "rshared")),
        SpecMount("tmpfs", "tmpfs", "/dev/shm", ("size=1m",)),
    )
    spec = spec_of(mounts=mounts)
    assert list(mounted(spec))[-3:] == ["/data", "/data/inner", "/dev/shm"]
    assert [mount["destination"] for mount in spec["mounts"]].count("/dev/shm") == 1
    assert mounted(spec)["/data/inner"]["options"] == ["rbind", "ro", "rprivate"]
    assert mounted(spec)["/data"]["options"] == ["rbind", "rshared"]
    assert spec["linux"]["rootfsPropagation"] == "rshared"


def test_the_hosts_dev_takes_all_of_it() -> None:
    spec = spec_of(mounts=(SpecMount("bind", "/dev", "/dev", ("rbind",)),))
    assert [target for target in mounted(spec) if target.startswith("/dev")] == ["/dev"]


def test_init() -> None:
    spec = spec_of(init=Path("/usr/bin/tini"), args=("sleep", "1"))
    assert spec["process"]["args"] == ["/sbin/docker-init", "--", "sleep", "1"]
    assert mounted(spec)["/sbin/docker-init"]["source"] == "/usr/bin/tini"


def test_process_details() -> None:
    spec = spec_of(
        uid=1000, gid=100, groups=(100, 27), cwd="/w", env=("A=1",), terminal=True, console_size=(24, 80),
        ulimits=(Ulimit("nofile", 1, 2),), oom_score_adj=5, no_new_privileges=True, apparmor="p", read_only=True,
    )  # fmt: skip
    process = spec["process"]
    assert process["user"] == {"uid": 1000, "gid": 100, "additionalGids": [100, 27]}
    assert process["consoleSize"] == {"height": 24, "width": 80}
    assert process["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]
    assert (process["oomScoreAdj"], process["noNewPrivileges"], process["apparmorProfile"]) == (5, True, "p")
    assert spec["root"]["readonly"]


def test_devices() -> None:
    spec = spec_of(devices=(NODE,), device_rules=(DeviceRule("b", 8, None, "r"),))
    assert spec["linux"]["resources"]["devices"][1:] == [
        {"allow": True, "type": "c", "major": 10, "minor": 232, "access": "rw"},
        {"allow": True, "type": "b", "major": 8, "access": "r"},
    ]
    assert spec["linux"]["devices"] == [
        {"path": "/dev/kvm", "type": "c", "major": 10, "minor": 232, "fileMode": 0o660, "uid": 0, "gid": 36}
    ]


def test_seccomp() -> None:
    assert "seccomp" not in spec_of(seccomp=UNCONFINED)["linux"]
    own = parse('{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert spec_of(seccomp=own)["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ALLOW"
    bare = HostFacts(2, EVERYTHING, (6, 18), "amd64", None)
    plan = SpecPlan(args=("true",), rootfs=Path("/r"), cgroup_path="/x")
    with pytest.raises(Unsupported, match="install the package containers-common"):
        build_spec(plan, bare)


@pytest.mark.parametrize(
    ("wanted", "version", "expected"),
    [
        (Resources(), 1, {}),
        (Resources(memory=10), 1, {"memory": {"limit": 10, "swap": 20}}),
        (Resources(memory=10, memory_swap=-1), 2, {"memory": {"limit": 10, "swap": -1}}),
        (Resources(swappiness=0), 1, {"memory": {"swappiness": 0}}),
        (Resources(swappiness=-1, oom_kill_disable=True), 1, {"memory": {"disableOOMKiller": True}}),
        (Resources(swappiness=5, oom_kill_disable=True), 2, {}),
        (Resources(memory_reservation=5), 2, {"memory": {"reservation": 5}}),
        (Resources(nano_cpus=1_500_000_000), 2, {"cpu": {"period": 100_000, "quota": 150_000}}),
        (Resources(cpu_shares=2, cpuset_cpus="0"), 1, {"cpu": {"shares": 2, "cpus": "0"}}),
        (Resources(pids_limit=-1), 1, {}),
        (Resources(pids_limit=7), 1, {"pids": {"limit": 7}}),
        (
            Resources(blkio_weight=10, blkio_read_bps=(Throttle(8, 0, 100),)),
            1,
            {"blockIO": {"weight": 10, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 100}]}},
        ),
    ],
)
def test_resources(wanted: Resources, version: int, expected: dict[str, Any]) -> None:
    assert linux_resources(wanted, cgroup_version=version) == expected


def test_exec_process() -> None:
    container = spec_of(env=("PATH=/bin", "A=1", "B=2"), cwd="/w", ulimits=(Ulimit("core", 0, 0),))["process"]
    made = build_process(container, ExecPlan(args=("id",), env=("A=3", "B", "C=4"), uid=5, terminal=True), HOST)
    assert made["args"] == ["id"]
    assert made["env"] == ["PATH=/bin", "A=3", "C=4"]
    assert (made["cwd"], made["terminal"], made["rlimits"]) == ("/w", True, container["rlimits"])
    assert made["user"] == {"uid": 5, "gid": 0, "additionalGids": [0]}
    assert made["capabilities"] == container["capabilities"]
    privileged = build_process(container, ExecPlan(args=("id",), privileged=True, cwd="/"), HOST)
    assert len(privileged["capabilities"]["bounding"]) == len(ALL_NAMES)
    assert privileged["cwd"] == "/"


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), DEFAULT),
        (("CAP_NET_ADMIN",), ("CAP_CHOWN",), (DEFAULT | {"CAP_NET_ADMIN"}) - {"CAP_CHOWN"}),
        (("ALL",), ("CAP_SYS_ADMIN",), EVERYTHING - {"CAP_SYS_ADMIN"}),
        (("CAP_KILL",), ("ALL",), {"CAP_KILL"}),
        ((), ("ALL",), set()),
        (("ALL",), ("ALL",), EVERYTHING),
    ],
)
def test_capabilities(add: tuple[str, ...], drop: tuple[str, ...], expected: set[str]) -> None:
    assert set(effective(add, drop, False, EVERYTHING)) == set(expected)


def test_capabilities_that_we_lack_are_not_given() -> None:
    assert "CAP_SYS_RESOURCE" not in effective((), (), True, EVERYTHING - {"CAP_SYS_RESOURCE"})
    assert from_mask(0b101) == {"CAP_CHOWN", "CAP_DAC_READ_SEARCH"}
    assert normalise(["net_admin", "CAP_KILL", "all"], EVERYTHING, "CapAdd") == ("CAP_NET_ADMIN", "CAP_KILL", "ALL")
    with pytest.raises(InvalidArgument, match='invalid CapAdd: unknown capability: "CAP_FOO"'):
        normalise(["foo"], EVERYTHING, "CapAdd")
    with pytest.raises(InvalidArgument, match='not available in the current environment: "CAP_BPF"'):
        normalise(["bpf"], frozenset(), "CapAdd")
    assert normalise(["bpf"], frozenset(), "CapDrop") == ("CAP_BPF",)
