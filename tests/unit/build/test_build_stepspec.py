"""What the container of a RUN is like: environment, hosts, limits, mount points."""

from pathlib import Path

import pytest

from pier.build.deps import Settings
from pier.build.graph import Exec
from pier.build.request import BuildRequest, Limits, Ulimit
from pier.build.steps.spec import Place, environment, group_of, hosts_text, mount_points, step_plan
from pier.errors import InvalidArgument
from pier.runtime.accounts import Account
from pier.runtime.plan import SpecMount, SpecPlan

ROOT = Account(0, 0, (0,), "/root")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


NO_LIMITS = Limits()
SETTINGS = Settings()


def plan(op: Exec, limits: Limits = NO_LIMITS, settings: Settings = SETTINGS, *mounts: SpecMount) -> SpecPlan:
    place = Place("s1", Path("/root-of-it"), None, ROOT, mounts, ("A=1",))
    return step_plan(op, BuildRequest(id="b", limits=limits), settings, place)


@pytest.mark.parametrize(
    ("own", "proxies", "more", "expected"),
    [
        ((), (), (), (PATH, "HOME=/h")),
        (("PATH=/bin", "HOME=/x"), (), (), ("PATH=/bin", "HOME=/x")),
        (("A=1",), ("http_proxy=p", "A=2"), (), (PATH, "HOME=/h", "http_proxy=p", "A=1")),
        (("A=1",), (), ("A=secret",), (PATH, "HOME=/h", "A=secret")),
    ],
)
def test_environment(own: tuple[str, ...], proxies: tuple[str, ...], more: tuple[str, ...], expected: object) -> None:
    made = environment(Exec(args=("x",), env=own), proxies, "/h", more)
    assert set(made) == set(expected if isinstance(expected, tuple) else ())
    assert len(made) == len(set(made))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("db:10.0.0.1", "10.0.0.1\tdb\n"),
        ("db=10.0.0.1", "10.0.0.1\tdb\n"),
        ("six:fe80::1", "fe80::1\tsix\n"),
        ("six=[fe80::1]", "fe80::1\tsix\n"),
        ("me:host-gateway", "10.9.9.1\tme\n"),
    ],
)
def test_hosts(text: str, line: str) -> None:
    made = hosts_text("box", (text,), "10.9.9.1")
    assert made == f"127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n{line}"


@pytest.mark.parametrize("text", ["", "name", "name:", ":10.0.0.1"])
def test_hosts_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid host"):
        hosts_text("box", (text,), "10.9.9.1")


@pytest.mark.parametrize(
    ("limits", "group"),
    [(Limits(), "/pier/build"), (Limits(cgroup_parent="mine"), "/mine"), (Limits(cgroup_parent="/a/b/"), "/a/b")],
)
def test_groups(limits: Limits, group: str) -> None:
    assert group_of(limits, Settings()) == group
    assert plan(Exec(args=("x",)), limits).cgroup_path == f"{group}/s1"


def test_limits() -> None:
    limits = Limits(memory=1 << 26, cpu_quota=5, shm_size=7, ulimits=(Ulimit("nofile", 1, 2),))
    settings = Settings(ulimits={"nofile": (8, 9), "core": (0, 0)}, shm_size=3)
    made = plan(Exec(args=("x",)), limits, settings)
    assert (made.resources.memory, made.resources.cpu_quota, made.shm_size) == (1 << 26, 5, 7)
    assert {(each.name, each.soft, each.hard) for each in made.ulimits} == {("nofile", 1, 2), ("core", 0, 0)}
    assert plan(Exec(args=("x",)), Limits(), settings).shm_size == 3


def test_names_and_privileges() -> None:
    made = plan(Exec(args=("x",), hostname="mine", security="insecure", cwd="/w"))
    assert (made.hostname, made.privileged, made.cwd) == ("mine", True, "/w")
    assert plan(Exec(args=("x",))).hostname == "buildkitsandbox"


def test_mount_points_are_made_only_in_the_root() -> None:
    mounts = [
        SpecMount("bind", "/h/hosts", "/etc/hosts"),
        SpecMount("bind", "/h/pipe", "/dev/pipes/EOF"),
        SpecMount("tmpfs", "tmpfs", "/t"),
        SpecMount("tmpfs", "tmpfs", "/t/inner"),
    ]
    made = mount_points(plan(Exec(args=("x",)), Limits(), Settings(), *mounts), frozenset({"/t", "/t/inner"}))
    assert made == [("/dev", True), ("/etc/hosts", False), ("/proc", True), ("/sys", True), ("/t", True)]
