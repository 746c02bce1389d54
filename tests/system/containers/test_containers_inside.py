"""What a container sees: mounts, users, files in /etc, limits, namespaces."""

import os
from pathlib import Path
from typing import Any

import pytest

from pier.containers import create, inspect, kill, listing, start, update
from pier.containers.config import decode_create
from pier.errors import Conflict, InvalidArgument, NotFound
from pier.events.filters import parse_filters
from pier.testing.containers import import_image
from tests.compat.rootfs import busybox_rootfs, entry, pack
from tests.system.containers.conftest import Box


async def said(box: Box, script: str, host: dict[str, Any] | None = None, **config: Any) -> str:
    ran = await box.run("sh", "-c", script, host={"AutoRemove": True, **(host or {})}, **config)
    assert ran.result.code == 0, ran.stderr
    return ran.stdout


async def test_named_volumes_are_filled_from_the_image_once(box: Box) -> None:
    host = {"Binds": ["vol1:/data"]}
    assert await said(box, "cat /data/seed; stat -c %u /data; echo more > /data/more", host) == "seed\n1000\n"
    assert await said(box, "ls /data; rm /data/*", host) == "more\nseed\n"
    assert await said(box, "ls /data", {"Binds": ["empty:/data:nocopy"]}) == ""
    assert {volume.name for volume in box.deps.volumes.list()} == {"vol1", "empty"}


async def test_anonymous_volumes_go_with_rm(box: Box) -> None:
    assert await said(box, "cat /data/seed", Volumes={"/data": {}}) == "seed\n"
    assert not box.deps.volumes.list()


async def test_binds(box: Box, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "file").write_text("from the host\n")
    host = {"Binds": [f"{shared}:/x", f"{shared}/made/here:/y:ro"], "Mounts": []}
    script = "cat /x/file; echo back > /x/back; touch /y/z 2>/dev/null || echo read-only"
    assert await said(box, script, host) == "from the host\nread-only\n"
    assert (shared / "back").read_text() == "back\n" and (shared / "made/here").is_dir()
    with pytest.raises(InvalidArgument, match="bind source path does not exist: /nope/nope"):
        await box.create("true", host={"Mounts": [{"Type": "bind", "Source": "/nope/nope", "Target": "/x"}]})


async def test_tmpfs_shm_and_a_read_only_root(box: Box) -> None:
    script = "touch /x 2>/dev/null || echo ro; touch /t/x /dev/shm/y; df -k /t /dev/shm | awk 'NR>1 {print $2}'"
    host = {"ReadonlyRootfs": True, "Tmpfs": {"/t": "size=1m"}, "ShmSize": 2 << 20}
    assert await said(box, script, host) == "ro\n1024\n2048\n"


async def test_volumes_from(box: Box) -> None:
    await box.run("sh", "-c", "echo shared > /v/file", name="donor", host={"Binds": ["vol1:/v"]})
    script = "cat /v/file; touch /v/x 2>/dev/null || echo ro"
    assert await said(box, script, {"VolumesFrom": ["donor:ro"]}) == "shared\nro\n"
    with pytest.raises(NotFound, match=r"^No such container: nobody$"):
        await box.create("true", host={"VolumesFrom": ["nobody"]})


@pytest.mark.parametrize(
    ("user", "host", "expected"),
    [
        ("", {}, "uid=0(root) gid=0(root) groups=0(root)\n/root\n"),
        ("web", {}, "uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)\n/home/web\n"),
        ("web:extra", {}, "uid=1000(web) gid=2000(extra) groups=2000(extra)\n/home/web\n"),
        ("1234:77", {"GroupAdd": ["extra"]}, "uid=1234 gid=77 groups=77,2000(extra)\n/\n"),
    ],
)
async def test_users(box: Box, user: str, host: dict[str, Any], expected: str) -> None:
    assert await said(box, "id; echo $HOME", host, User=user) == expected


async def test_the_working_folder_is_made(box: Box) -> None:
    assert await said(box, "pwd", WorkingDir="/a/b/../c") == "/a/c\n"


async def test_an_image_s_links_lead_nowhere_else(box: Box, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hostile = pack(
        [
            (entry("bin", b"5", 0o755), b""),
            (entry("escape", b"2", 0o777, target=str(outside)), b""),
            (entry("etc", b"5", 0o755), b""),
            (entry("etc/passwd", b"2", 0o777, target="/proc/self/environ"), b""),
            (entry("etc/group", b"6", 0o644), b""),
        ]
    )
    await import_image(box.deps.images, hostile, "hostile")
    body = b'{"Image":"hostile","Cmd":["/bin/busybox","pwd"],"WorkingDir":"/escape/in"}'
    made = await create.create(box.deps, "", decode_create(body))
    with pytest.raises(Exception, match="escape"):  # dangling inside the root: it cannot be made there
        await start.start(box.deps, made.id)
    assert not list(outside.iterdir())
    named = body.replace(b"/escape/in", b"/").replace(b'"Cmd"', b'"User":"web","Cmd"')
    made = await create.create(box.deps, "", decode_create(named))
    with pytest.raises(InvalidArgument, match="unable to find user web: no matching entries in passwd file"):
        await start.start(box.deps, made.id)


async def test_files_in_etc(box: Box) -> None:
    host = {"NetworkMode": "bridge", "Dns": ["9.9.9.9"], "DnsSearch": ["x.test"], "ExtraHosts": ["other:1.2.3.4"]}
    script = "hostname; cat /etc/hostname /etc/resolv.conf; grep -c other /etc/hosts; grep box1 /etc/hosts"
    text = await said(box, script, host, Hostname="box1")
    assert text.startswith("box1\nbox1\n") and "nameserver 9.9.9.9\n" in text and "search x.test\n" in text
    address = text.strip().split("\n")[-1].split("\t")[0]
    assert address.startswith(box.roots.bip.rpartition(".")[0])
    assert await said(box, "test -w /etc/hosts && echo w", {"Binds": ["/etc/hosts:/etc/hosts:ro"]}) == "w\n"


async def test_networks(box: Box) -> None:
    assert await said(box, "ls /sys/class/net", {"NetworkMode": "none"}) == "lo\n"
    assert await said(box, "ls /sys/class/net", {"NetworkMode": "bridge"}) == "eth0\nlo\n"
    assert await said(box, "hostname", {"NetworkMode": "host"}) == f"{os.uname().nodename}\n"
    await box.start("sleep", "1000", name="peer", host={"NetworkMode": "bridge"}, Hostname="peerhost")
    shared = {"NetworkMode": "container:peer"}
    assert await said(box, "ls /sys/class/net; hostname; cat /etc/hostname", shared) == "eth0\nlo\npeerhost\npeerhost\n"
    await kill.kill(box.deps, "peer")
    lonely = await box.create("true", host=shared)
    with pytest.raises(Conflict, match="cannot join network of a non running container"):
        await start.start(box.deps, lonely)
    missing = await box.create("true", host={"NetworkMode": "nonet"})
    with pytest.raises(NotFound, match="network nonet not found"):
        await start.start(box.deps, missing)


async def test_namespaces_of_others(box: Box) -> None:
    await box.start("sleep", "4242", name="peer", host={"IpcMode": "shareable"})
    await box.exec("peer", "sh", "-c", "echo shared > /dev/shm/file")
    script = "ps | grep -c '[s]leep 4242'; cat /dev/shm/file"
    assert await said(box, script, {"PidMode": "container:peer", "IpcMode": "container:peer"}) == "1\nshared\n"
    assert int(await said(box, "ps | wc -l", {"PidMode": "host"})) > 10


def limits_of(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text()


async def test_limits_that_the_kernel_knows(box: Box) -> None:
    host = {
        "Memory": 64 << 20,
        "PidsLimit": 50,
        "Ulimits": [{"Name": "nofile", "Soft": 77, "Hard": 99}],
        "OomScoreAdj": 5,
    }
    container_id = await box.start("sleep", "1000", host=host)
    record = box.deps.registry.find(container_id).record
    limits = limits_of(record.state.pid)
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["77", "99"]]
    assert await update.update(box.deps, container_id, {"Memory": 32 << 20, "MemorySwap": 64 << 20}) == []
    assert box.deps.registry.find(container_id).record.host_config.memory == 32 << 20
    await update.update(box.deps, container_id, {"RestartPolicy": {"Name": "always"}})
    assert box.deps.registry.find(container_id).record.host_config.restart_policy.name == "always"
    with pytest.raises(InvalidArgument, match="Minimum memory limit allowed is 6MB"):
        await update.update(box.deps, container_id, {"Memory": 1000})


async def test_an_out_of_memory_kill_is_told(box: Box) -> None:
    subscription = box.deps.events.subscribe(filters=parse_filters('{"event":["oom","die"]}'))
    host = {"Memory": 16 << 20, "MemorySwap": 16 << 20}
    ran = await box.run("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60", host={**host, "ShmSize": 64 << 20})
    assert ran.result.code != 0
    assert [(await anext(subscription)).action for _ in range(2)] == ["oom", "die"]
    assert (await inspect.inspect(box.deps, ran.id))["State"]["OOMKilled"] is True


async def test_published_ports_are_shown(box: Box) -> None:
    host = {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}}
    await box.start("sleep", "1000", name="web", host=host, ExposedPorts={"81/tcp": {}})
    shown = await inspect.inspect(box.deps, "web")
    bound = shown["NetworkSettings"]["Ports"]
    assert bound["81/tcp"] is None and bound["80/tcp"][0]["HostIp"] == "127.0.0.1"
    (listed,) = await listing.containers(box.deps)
    port = int(bound["80/tcp"][0]["HostPort"])
    assert {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"} in listed["Ports"]
    assert shown["NetworkSettings"]["IPAddress"] == shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] != ""
    taken = await box.create(
        "true", host={**host, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}}
    )
    with pytest.raises(Exception, match="port is already allocated"):
        await start.start(box.deps, taken)
    await kill.kill(box.deps, "web")
    await start.start(box.deps, taken)


async def test_listing_and_its_filters(box: Box) -> None:
    await box.run("true", name="ended", Labels={"tier": "back"})
    await box.start("sleep", "1000", name="runs", Labels={"tier": "front"}, host={"Binds": ["vol1:/v"]})
    await box.create("true", name="fresh", ExposedPorts={"80/tcp": {}})

    async def found(filters: str, **options: Any) -> list[str]:
        listed = await listing.containers(box.deps, filters=parse_filters(filters), **options)
        return [each["Names"][0] for each in listed]

    assert await found("") == ["/runs"]
    assert await found("", all=True) == ["/fresh", "/runs", "/ended"]
    assert await found("", limit=2) == ["/fresh", "/runs"]
    for filters, names in (
        ('{"status":["exited","created"]}', ["/fresh", "/ended"]),
        ('{"exited":["0"]}', ["/ended"]),
        ('{"label":["tier=front"]}', ["/runs"]),
        ('{"name":["^/r"]}', ["/runs"]),
        ('{"volume":["vol1"]}', ["/runs"]),
        ('{"volume":["/v"]}', ["/runs"]),
        ('{"since":["ended"]}', ["/fresh", "/runs"]),
        ('{"before":["fresh"]}', ["/runs", "/ended"]),
        ('{"ancestor":["box"],"name":["ended"]}', ["/ended"]),
        ('{"ancestor":["nope"]}', []),
        ('{"expose":["70-90/tcp"]}', ["/fresh"]),
        ('{"network":["none"],"name":["runs"]}', ["/runs"]),
        ('{"health":["none"],"name":["runs"]}', ["/runs"]),
    ):
        assert await found(filters, all=True) == names, filters
    for filters, message in (
        ('{"status":["foo"]}', "invalid filter 'status=foo'"),
        ('{"foo":["x"]}', "invalid filter 'foo'"),
        ('{"exited":["x"]}', "invalid filter 'exited=x'"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            await found(filters)
    (only,) = await listing.containers(box.deps, size=True)
    assert only["SizeRootFs"] > len(busybox_rootfs()) // 2 and only["Command"] == "sleep 1000"
