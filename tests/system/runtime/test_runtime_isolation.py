"""What a container sees and may do is what Docker lets it see and do."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from pier.errors import Internal, InvalidArgument
from pier.linux import cgroup
from pier.linux.mount import unmount
from pier.runtime.capabilities import from_mask
from pier.runtime.host import own_capabilities
from pier.runtime.local import LocalRuntime
from pier.runtime.plan import UNCONFINED, IdMap, SpecMount
from pier.runtime.runtime import STDERR, STDOUT, Stdio
from pier.runtime.select import select_runtime
from pier.testing.runtime import output_of
from tests.system.runtime.conftest import BundleMaker


async def shell(runtime: LocalRuntime, bundles: BundleMaker, script: str, **plan: Any) -> str:
    """Both streams of a shell script."""
    id, bundle = bundles("sh", "-c", script, **plan)
    container = await runtime.create(id, bundle, Stdio())
    stream = await runtime.attach(container)
    await runtime.start(container)
    output = await output_of(stream)
    stream.close()
    await runtime.wait(container)
    await runtime.delete(id)
    return (output[STDOUT] + output[STDERR]).decode()


async def test_defaults(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    status = await shell(runtime, bundles, "grep -E '^(Cap|Seccomp:|NoNew)' /proc/self/status")
    assert re.findall(r"(\w+):\s+(\w+)", status) == [
        ("CapInh", "0000000000000000"),
        ("CapPrm", "00000000a80425fb"),
        ("CapEff", "00000000a80425fb"),
        ("CapBnd", "00000000a80425fb"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "0"),
        ("Seccomp", "2"),
    ]


async def test_namespaces(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    names = ("mnt", "pid", "uts", "ipc", "cgroup")
    links = "; ".join(f"readlink /proc/self/ns/{name}" for name in names)
    script = f"echo $$; hostname; {links}; cat /proc/self/cgroup"
    output = await shell(runtime, bundles, script, hostname="inside")
    pid, hostname, *rest = output.splitlines()
    assert (pid, hostname) == ("1", "inside")
    assert [link.partition(":")[0] for link in rest[: len(names)]] == list(names)
    assert not set(rest[: len(names)]) & {os.readlink(f"/proc/self/ns/{name}") for name in names}
    groups = [line.rsplit(":", 1)[1] for line in rest[len(names) :]]
    assert set(groups) == {"/"}


async def test_the_kernel_is_out_of_reach(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    denied = await shell(
        runtime,
        bundles,
        "unshare -U true; mount -t tmpfs none /tmp; echo 1 > /proc/sys/kernel/panic; cat /proc/kcore; "
        "mknod /tmp/b b 1 1 2>&1; dd if=/tmp/b bs=1 count=1; echo 1 > /sys/kernel/profiling",
    )
    assert denied.count("Operation not permitted") + denied.count("ermission denied") >= 3
    assert denied.count("Read-only file system") == 2


async def test_privileged(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    output = await shell(
        runtime,
        bundles,
        "grep -E '^(CapEff|Seccomp:)' /proc/self/status; mount -t tmpfs none /work && echo mounted",
        privileged=True,
    )
    mask, seccomp = re.findall(r"\w+:\s+(\w+)", output)
    assert (from_mask(int(mask, 16)), seccomp) == (own_capabilities(), "0")
    assert "mounted" in output


async def test_unconfined_and_capabilities(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    script = "grep -E '^(CapEff|Seccomp:)' /proc/self/status"
    output = await shell(runtime, bundles, script, seccomp=UNCONFINED, cap_drop=("ALL",), cap_add=("CAP_NET_ADMIN",))
    assert re.findall(r"\w+:\s+(\w+)", output) == ["0000000000001000", "0"]


async def test_user_namespace(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    maps = (IdMap(0, 100_000, 65_536),)
    output = await shell(
        runtime, bundles, "id -u; cat /proc/self/uid_map", userns="private", uid_maps=maps, gid_maps=maps
    )
    assert output.split() == ["0", "0", "100000", "65536"]


async def test_mounts(runtime: LocalRuntime, bundles: BundleMaker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from outside\n")
    mounts = (
        SpecMount("bind", str(tmp_path), "/work", ("rbind", "ro")),
        SpecMount("tmpfs", "tmpfs", "/dev/shm", ("size=1m",)),
    )
    output = await shell(
        runtime, bundles, "cat /work/file; touch /work/x; df -k /dev/shm | tail -n 1 | awk '{print $2}'", mounts=mounts
    )
    assert "from outside" in output
    assert "Read-only file system" in output
    assert "1024" in output.split()


@pytest.mark.parametrize("name", ["crun", "runc"])
@pytest.mark.parametrize(
    ("plan", "kind", "text"),
    [
        ({"args": ["nope"]}, InvalidArgument, 'exec: "nope": executable file not found in $PATH: unknown'),
        ({"args": ["/nope"]}, InvalidArgument, 'exec: "/nope": stat /nope: no such file or directory: unknown'),
        ({"args": ["/etc"]}, InvalidArgument, "permission denied"),
        ({"args": ["/bin/not-executable"]}, InvalidArgument, 'exec: "/bin/not-executable": permission denied'),
        ({"args": [""]}, InvalidArgument, 'exec: "": executable file not found in $PATH'),
        ({"args": ["true"], "sysctls": {"net.foo": "1"}}, Internal, "net.foo"),
        (
            {"args": ["true"], "mounts": (SpecMount("bind", "/etc", "/bin/busybox"),)},
            InvalidArgument,
            "Are you trying to mount a directory onto a file (or vice-versa)?",
        ),
        (
            {"args": ["true"], "mounts": (SpecMount("bind", "/nowhere", "/work"),)},
            InvalidArgument,
            "no such file or directory",
        ),
    ],
)
async def test_refusals(
    name: str, plan: dict[str, Any], kind: type[Exception], text: str, run_root: Path, bundles: BundleMaker
) -> None:
    runtime = await select_runtime(name, run=run_root)
    rest = {key: value for key, value in plan.items() if key != "args"}
    id, bundle = bundles(*plan["args"], **rest)
    with pytest.raises(kind) as caught:
        await runtime.create(id, bundle, Stdio())
    assert text in str(caught.value)
    assert str(caught.value).startswith("OCI runtime create failed: ")
    assert runtime.known() == []
    assert not any(folder.exists() for folder in runtime.trees.directories(f"/pier-test-none/{id}"))
    await runtime.close()


async def test_leftover_controllers_are_mounted(run_root: Path) -> None:
    before = cgroup.detect()
    if before.version == 2:
        assert cgroup.leftovers(before) == []
        return
    for controller in ("hugetlb", "rdma", "misc"):
        if controller in before.controllers and not cgroup.pids(before, "/" + controller):
            unmount(before.controllers[controller])
            before.controllers[controller].rmdir()
            break
    runtime = await select_runtime("crun", run=run_root)
    assert cgroup.leftovers(cgroup.detect()) == []
    assert runtime.name == "crun"
    await runtime.close()
