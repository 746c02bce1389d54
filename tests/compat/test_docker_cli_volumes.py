"""Volumes: named, anonymous, copied up, in use, pruned; tmpfs and ``--mount``."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually


@pytest.fixture
def volume(cli: Docker, name: str) -> Iterator[str]:
    yield name + "-vol"
    left = cli("ps", "-aq", "--filter", f"label={cli.label}").lines
    if left:
        cli("rm", "-f", "-v", *left)
    cli("volume", "rm", "-f", name + "-vol")


def shell(cli: Docker, script: str, *flags: str) -> str:
    return cli("run", "--rm", *flags, IMAGE, "sh", "-c", script).out


def test_create_list_inspect_remove(cli: Docker, volume: str) -> None:
    assert cli("volume", "create", "--label", "a=b", volume).out == volume
    assert cli("volume", "create", volume).out == volume, "making it again is no error"
    assert cli("volume", "ls", "-q", "--filter", f"name={volume}").out == volume
    assert cli("volume", "ls", "-q", "--filter", "label=a=b", "--filter", f"name={volume}").out == volume
    shown = json.loads(cli("volume", "inspect", volume).out)[0]
    assert (shown["Name"], shown["Driver"], shown["Scope"]) == (volume, "local", "local")
    assert shown["Labels"] == {"a": "b"}
    assert shown["Mountpoint"].endswith(f"/volumes/{volume}/_data")
    assert cli("volume", "rm", volume).out == volume
    assert f"get {volume}: no such volume" in cli.fails("volume", "inspect", volume)
    assert "no such volume" in cli.fails("volume", "rm", volume)


def test_without_a_name(cli: Docker) -> None:
    made = cli("volume", "create").out
    assert re.fullmatch("[0-9a-f]{64}", made)
    cli("volume", "rm", made)


@pytest.mark.parametrize("bad", ["x", "a/b", "-x", "../up"])
def test_bad_names(cli: Docker, bad: str) -> None:
    message = cli.fails("volume", "create", f"--name={bad}")
    assert "includes invalid characters for a local volume name" in message or "is too short" in message


def test_data_outlives_containers(cli: Docker, volume: str) -> None:
    shell(cli, "echo kept >/vol/file", "-v", f"{volume}:/vol")
    assert shell(cli, "cat /other/file", "-v", f"{volume}:/other:ro") == "kept"
    assert "Read-only" in shell(cli, "touch /vol/x 2>&1 || true", "-v", f"{volume}:/vol:ro")


def test_an_image_folder_is_copied_up_once(cli: Docker, volume: str) -> None:
    script = "stat -c '%U %a' /data; stat -c %u /data/seed; cat /data/seed; echo changed >/data/seed"
    assert shell(cli, script, "-v", f"{volume}:/data").split() == ["web", "755", "1000", "seed"]
    assert shell(cli, "cat /data/seed", "-v", f"{volume}:/data") == "changed"


def test_nocopy(cli: Docker, volume: str) -> None:
    assert shell(cli, "ls /data", "-v", f"{volume}:/data:nocopy") == ""


def test_bind_mounts_are_not_copied_into(cli: Docker, volume: str) -> None:
    mount = f"type=volume,src={volume},dst=/data,volume-nocopy"
    assert shell(cli, "ls /data", "--mount", mount) == ""


def test_one_in_use_stays(cli: Docker, volume: str, name: str) -> None:
    full = cli("create", "--name", name, "-v", f"{volume}:/vol", IMAGE).out
    assert f"remove {volume}: volume is in use - [{full}]" in cli.fails("volume", "rm", volume)
    assert cli("ps", "-aq", "--no-trunc", "--filter", f"volume={volume}").out == full


def test_anonymous_ones_go_with_rm_v(cli: Docker, name: str) -> None:
    cli("run", "--name", name, "-v", "/anonymous", IMAGE, "true")
    made = cli("inspect", "-f", "{{(index .Mounts 0).Name}}", name).out
    assert re.fullmatch("[0-9a-f]{64}", made)
    cli("rm", "-v", name)
    assert "no such volume" in cli.fails("volume", "inspect", made)


def test_anonymous_ones_go_with_run_rm_and_named_ones_stay(cli: Docker, name: str, volume: str) -> None:
    cli("run", "--rm", "--name", name, "-d", "-v", "/anonymous", "-v", f"{volume}:/named", IMAGE, "sleep", "1000")
    mounts = json.loads(cli("inspect", "-f", "{{json .Mounts}}", name).out)
    made = next(mount["Name"] for mount in mounts if mount["Destination"] == "/anonymous")
    cli("stop", "-t", "0", name)
    cli("wait", name, code={0, 1})
    eventually(lambda: "no such volume" in cli("volume", "inspect", made, code={0, 1}).err)
    cli("volume", "inspect", volume)


def test_volumes_from(cli: Docker, name: str, volume: str) -> None:
    cli("run", "--name", name, "-v", f"{volume}:/vol", IMAGE, "sh", "-c", "echo shared >/vol/file")
    assert shell(cli, "cat /vol/file", "--volumes-from", name) == "shared"
    assert "Read-only" in shell(cli, "touch /vol/x 2>&1 || true", "--volumes-from", f"{name}:ro")


def test_mounts_are_listed(cli: Docker, name: str, volume: str) -> None:
    cli("create", "--name", name, "-v", f"{volume}:/vol:ro", "--mount", "type=tmpfs,dst=/t", IMAGE)
    mounts = {mount["Destination"]: mount for mount in json.loads(cli("inspect", "-f", "{{json .Mounts}}", name).out)}
    assert mounts["/vol"]["Type"] == "volume"
    assert mounts["/vol"]["Name"] == volume
    assert mounts["/vol"]["RW"] is False


def test_tmpfs_by_mount(cli: Docker) -> None:
    line = shell(cli, "grep ' /t ' /proc/mounts", "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770")
    assert line.startswith("tmpfs /t tmpfs")
    assert "size=1024k" in line
    assert "mode=1770" in line


def test_prune(cli: Docker, name: str, volume: str) -> None:
    label = f"prune={name}"
    cli("volume", "create", "--label", label, volume)
    cli("volume", "create", "--label", label, volume + "-used")
    cli("create", "--name", name, "-v", f"{volume}-used:/vol", IMAGE)
    printed = cli("volume", "prune", "-a", "-f", "--filter", f"label={label}").out
    assert volume in printed.splitlines()
    assert volume + "-used" not in printed.splitlines()
    cli("rm", "-f", name)
    cli("volume", "rm", volume + "-used")


def test_the_same_place_twice(cli: Docker) -> None:
    message = cli.fails("run", "--rm", "-v", "/a:/x", "-v", "/b:/x", IMAGE, "true", code=125)
    assert "Duplicate mount point: /x" in message
