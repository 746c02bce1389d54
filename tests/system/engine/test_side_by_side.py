"""Two daemons on one host never touch each other's objects, firewall table, bridge or cgroups."""

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pier.daemon.wiring import cgroup_parent
from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually
from tests.compat.test_docker_cli_networks import fetch
from tests.system.engine.conftest import Host, Start


@pytest.fixture(scope="module")
def two(start_engine: Start) -> Iterator[tuple[Host, Host]]:
    """Both run containers of the same names."""
    pair = (start_engine(), start_engine())
    for host in pair:
        web(host.cli, "web")
        host.cli("volume", "create", "shared-name")
        eventually(partial(served, host))
    yield pair


def web(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-p", "127.0.0.1::80", IMAGE, "httpd", "-f", "-p", "80", "-h", "/www")


def port_of(host: Host) -> int:
    return int(host.cli("port", "web").out.rpartition(":")[2])


def served(host: Host) -> bool:
    return fetch("127.0.0.1", port_of(host)) == "hello from the image\n"


def nft(*args: str) -> str:
    return subprocess.run(["nft", *args], check=True, capture_output=True, text=True).stdout


def tables_of(host: Host) -> set[str]:
    """Pier's tables that are named for this daemon's bridge: those of others come and go meanwhile."""
    return {table for table in nft("list", "tables").splitlines() if host.daemon.bridge in table}


def cgroup_of(host: Host, name: str) -> list[str]:
    pid = host.cli("inspect", "-f", "{{.State.Pid}}", name).out
    return [
        line.partition("::")[2] or line.split(":")[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    ]


def test_names_do_not_meet(two: tuple[Host, Host]) -> None:
    one, other = two
    first, second = (host.cli("inspect", "-f", "{{.Id}}", "web").out for host in two)
    assert first != second
    assert one.cli("ps", "-aq", "--no-trunc").lines == [first]
    assert "No such" in other.cli.fails("inspect", first)
    one.cli("run", "--rm", "-v", "shared-name:/v", IMAGE, "sh", "-c", "echo mine >/v/file")
    assert other.cli("run", "--rm", "-v", "shared-name:/v", IMAGE, "ls", "/v").out == ""


def test_each_has_its_bridge_table_and_cgroup(two: tuple[Host, Host]) -> None:
    one, other = two
    assert one.daemon.bridge != other.daemon.bridge
    for host in two:
        assert Path(f"/sys/class/net/{host.daemon.bridge}/brif").is_dir()
        assert len(tables_of(host)) >= 1
    assert not tables_of(one) & tables_of(other)
    ids = [host.cli("inspect", "-f", "{{.Id}}", "web").out for host in two]
    for host, own, foreign in ((one, ids[0], ids[1]), (other, ids[1], ids[0])):
        groups = " ".join(cgroup_of(host, "web"))
        assert own in groups
        assert foreign not in groups


def test_subnets_do_not_overlap(two: tuple[Host, Host]) -> None:
    subnets = {host.cli("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "bridge").out for host in two}
    assert len(subnets) == 2


def test_one_port_for_both_is_refused(two: tuple[Host, Host]) -> None:
    one, other = two
    message = other.cli.fails("run", "-p", f"127.0.0.1:{port_of(one)}:80", IMAGE, "true", code=125)
    assert "already" in message
    assert served(one)


def test_the_death_and_return_of_one_leave_the_other_alone(two: tuple[Host, Host]) -> None:
    one, other = two
    rules = {table: nft("list", *table.split()) for table in tables_of(other)}
    one.daemon.kill()
    assert served(other)
    one.daemon.start()
    assert served(one)
    assert served(other)
    assert {table: nft("list", *table.split()) for table in tables_of(other)} == rules


def test_prunes_stay_at_home(two: tuple[Host, Host]) -> None:
    one, other = two
    one.cli("system", "prune", "-a", "-f", "--volumes")
    other.cli("image", "inspect", IMAGE)
    other.cli("volume", "inspect", "shared-name")
    assert served(other)


def test_a_daemon_without_containers_leaves_no_trace(start_engine: Start) -> None:
    host = start_engine()
    web(host.cli, "web")
    assert served(host)
    assert tables_of(host)
    full = host.cli("inspect", "-f", "{{.Id}}", "web").out
    host.cli("rm", "-f", "web")
    eventually(lambda: not groups(full), "the cgroup goes")
    eventually(lambda: full not in Path("/proc/self/mountinfo").read_text(), "its namespace goes")
    host.daemon.stop()
    assert host.daemon.bridge not in nft("list", "ruleset")
    assert not Path(f"/sys/class/net/{host.daemon.bridge}").exists()
    assert not left_cgroups(host)


def left_cgroups(host: Host) -> list[str]:
    """The groups of a daemon are below one that is named for its root."""
    return groups(cgroup_parent(host.daemon.root).lstrip("/"))


def groups(name: str) -> list[str]:
    """Control groups that have ``name`` in theirs; those of others may go while they are walked over."""
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if name in os.path.basename(path)]
