"""Limits that bite and walls that hold: memory, CPU, processes, capabilities, seccomp, masked paths."""

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually

DEFAULT_CAPABILITIES = "00000000a80425fb"


def shell(cli: Docker, script: str, *flags: str, code: int = 0) -> str:
    return cli("run", "--rm", *flags, IMAGE, "sh", "-c", script, code=code).out


def capabilities(cli: Docker, *flags: str) -> str:
    return shell(cli, "grep CapEff /proc/self/status", *flags).split()[1]


def test_memory(cli: Docker) -> None:
    hungry = "head -c 24m /dev/zero | tail -c 20m | wc -c"
    assert shell(cli, hungry, "-m", "200m") == str(20 * 1024 * 1024)
    shell(cli, "exec tail -c 50m /dev/zero", "-m", "16m", "--memory-swap", "16m", code=137)


def test_processes(cli: Docker) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait"
    result = cli("run", "--rm", "--pids-limit", "4", IMAGE, "sh", "-c", script + "; true", code=2)
    assert "can't fork" in result.err


def test_cpu(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "--cpus", "0.1", IMAGE, "sh", "-c", "while :; do :; done")
    period = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    assert cli("exec", name, "sh", "-c", period).out.split()[0] == "10000"
    throttled = "cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.stat"
    eventually(lambda: "nr_throttled 0" not in cli("exec", name, "sh", "-c", throttled).out)


def test_cpu_shares_and_sets(cli: Docker, name: str) -> None:
    cli(
        "create",
        "--name",
        name,
        "-c",
        "512",
        "--cpuset-cpus",
        "0",
        IMAGE,
        "grep",
        "Cpus_allowed_list",
        "/proc/self/status",
    )
    assert cli("start", "-a", name).out.split()[1] == "0"
    assert cli("inspect", "-f", "{{.HostConfig.CpuShares}} {{.HostConfig.CpusetCpus}}", name).out == "512 0"


def test_default_capabilities(cli: Docker) -> None:
    assert capabilities(cli) == DEFAULT_CAPABILITIES
    assert capabilities(cli, "-u", "web") == "0000000000000000"


def test_adding_and_dropping_capabilities(cli: Docker) -> None:
    assert capabilities(cli, "--cap-drop", "ALL") == "0000000000000000"
    assert capabilities(cli, "--cap-drop", "ALL", "--cap-add", "NET_ADMIN") == f"{1 << 12:016x}"
    assert capabilities(cli, "--cap-add", "CAP_SYS_ADMIN") == f"{int(DEFAULT_CAPABILITIES, 16) | 1 << 21:016x}"
    assert capabilities(cli, "--cap-drop", "chown") == f"{int(DEFAULT_CAPABILITIES, 16) & ~1:016x}"


def test_capabilities_bite(cli: Docker) -> None:
    shell(cli, "ip link add d0 type dummy", code=2)
    shell(cli, "mount -t tmpfs none /tmp", code=1)
    shell(cli, "mount -t tmpfs none /tmp", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined")


def test_privileged(cli: Docker) -> None:
    script = "grep -E 'CapEff|Seccomp:' /proc/self/status; ls /dev | wc -l; mount -t tmpfs none /tmp && echo mounted"
    lines = shell(cli, script, "--privileged").splitlines()
    assert int(lines[0].split()[1], 16) & (1 << 21)
    assert lines[1].split()[1] == "0"
    assert int(lines[2]) > 20
    assert lines[3] == "mounted"


def test_seccomp_is_on_by_default(cli: Docker) -> None:
    assert shell(cli, "grep Seccomp: /proc/self/status").split()[1] == "2"
    assert shell(cli, "grep Seccomp: /proc/self/status", "--security-opt", "seccomp=unconfined").split()[1] == "0"
    shell(cli, "unshare -m true", code=1)


def test_no_new_privileges(cli: Docker) -> None:
    script = "grep NoNewPrivs /proc/self/status"
    assert shell(cli, script).split()[1] == "0"
    assert shell(cli, script, "--security-opt", "no-new-privileges").split()[1] == "1"


def test_masked_and_read_only_paths(cli: Docker) -> None:
    files = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c"
    folders = "ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | wc -w"
    assert shell(cli, f"{files}; {folders}").split() == ["0", "0"]
    shell(cli, "echo 1 >/proc/sysrq-trigger", code=1)
    shell(cli, "echo 1 >/proc/sys/vm/drop_caches", code=1)
    shell(cli, "touch /sys/x", code=1)


def test_own_view_of_the_cgroups(cli: Docker) -> None:
    assert "/docker" not in shell(cli, "cat /proc/self/cgroup", "--cgroupns", "private")
    shell(cli, "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x", code=1)


@pytest.mark.parametrize(
    ("flag", "field", "value"),
    [
        (("--oom-score-adj", "500"), "OomScoreAdj", "500"),
        (("--memory-reservation", "8m"), "MemoryReservation", str(8 << 20)),
    ],
)
def test_recorded(cli: Docker, name: str, flag: tuple[str, ...], field: str, value: str) -> None:
    cli("create", "--name", name, *flag, IMAGE, "cat", "/proc/self/oom_score_adj")
    assert cli("inspect", "-f", f"{{{{.HostConfig.{field}}}}}", name).out == value


def test_oom_score(cli: Docker) -> None:
    assert shell(cli, "cat /proc/self/oom_score_adj", "--oom-score-adj", "500") == "500"
