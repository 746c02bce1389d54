"""Flag values of the nouns: mounts, ports, networks, devices, limits, variables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pier.cli.options import environment, mounts, networking, ports, resources, security, subnets
from pier.cli.options.filters import grouped, one_filter
from pier.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=bind,src=/a,dst=/b", {"Type": "bind", "Source": "/a", "Target": "/b"}),
        ("dst=/x", {"Type": "volume", "Target": "/x"}),
        ("TYPE=bind,Source=/q,DST=/r", {"Type": "bind", "Source": "/q", "Target": "/r"}),
        ('type=bind,"src=/a,b",dst=/c', {"Type": "bind", "Source": "/a,b", "Target": "/c"}),
        (
            "type=volume,src=v,dst=/d,volume-nocopy,volume-label=a=b,volume-driver=x,volume-opt=k=v,"
            "volume-subpath=s,ro",
            {
                "Type": "volume",
                "Source": "v",
                "Target": "/d",
                "ReadOnly": True,
                "VolumeOptions": {
                    "NoCopy": True,
                    "Labels": {"a": "b"},
                    "Subpath": "s",
                    "DriverConfig": {"Name": "x", "Options": {"k": "v"}},
                },
            },
        ),
        (
            "type=tmpfs,dst=/t,tmpfs-size=64k,tmpfs-mode=1777",
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 0o1777}},
        ),
        (
            "type=bind,src=a,dst=/b,bind-propagation=rshared,bind-recursive=disabled",
            {
                "Type": "bind",
                "Source": "a",
                "Target": "/b",
                "BindOptions": {"Propagation": "rshared", "NonRecursive": True},
            },
        ),
        (
            "type=image,src=x,dst=/y,image-subpath=z",
            {"Type": "image", "Source": "x", "Target": "/y", "ImageOptions": {"Subpath": "z"}},
        ),
        (
            "type=bind,src=/a,dst=/b,consistency=cached",
            {"Type": "bind", "Source": "/a", "Target": "/b", "Consistency": "cached"},
        ),
    ],
)
def test_mounts(text: str, expected: dict[str, Any]) -> None:
    assert mounts.mount(text) == expected


def test_relative_sources_are_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mounts.mount("type=bind,src=./x,dst=/y")["Source"] == f"{tmp_path}/x"
    assert mounts.volumes(["./x:/y:ro", ".:/z", "named:/a", "/b"]) == (
        [f"{tmp_path}/x:/y:ro", f"{tmp_path}:/z", "named:/a"],
        {"/b": {}},
    )


def test_tmpfs() -> None:
    assert mounts.tmpfs(["/x", "/y:ro,size=1m"]) == {"/x": "", "/y": "ro,size=1m"}


VALUE_ERRORS = [
    (mounts.mount, "", "EOF"),
    (mounts.mount, "x", "invalid field 'x' must be a key=value pair"),
    (mounts.mount, "type=bind,src=/a", "target is required"),
    (mounts.mount, "type=,dst=/x", "type is required"),
    (mounts.mount, "type=bind,foo=x,dst=/y", "unexpected key 'foo' in 'foo=x'"),
    (mounts.mount, "type=bind,dst=/x,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
    (mounts.mount, "type=volume,dst=/x,bind-propagation=x", "cannot mix 'bind-*' options with mount type 'volume'"),
    (mounts.mount, "type=bind,src=/a,dst=/b,readonly=x", "invalid value for readonly: x"),
    (mounts.mount, "type=tmpfs,dst=/x,tmpfs-size=x", "invalid value for tmpfs-size: x"),
    (mounts.mount, "type=tmpfs,dst=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
    (
        mounts.mount,
        "type=bind,src=/a,dst=/b,bind-recursive=foo",
        'invalid value for bind-recursive: foo (must be "enabled", "disabled", "writable", or "readonly")',
    ),
    (
        mounts.mount,
        "type=bind,src=/a,dst=/b,bind-recursive=readonly",
        "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction",
    ),
    (networking.network, "alias=x", "network name/id is not specified"),
    (networking.network, "name=a,foo=b", "invalid field key foo"),
    (networking.network, "name=a,alias", "invalid field alias"),
    (networking.extra_host, "foo", 'bad format for add-host: "foo"'),
    (networking.extra_host, "x:foo", 'invalid IP address in add-host: "foo"'),
    (networking.dns_server, "foo", "IP address is not correctly formatted: foo"),
    (networking.dns_search, "a b", "a b is not a valid domain"),
    (networking.link, "", "empty string specified for links"),
    (networking.link, "a:b:c", "bad format for links: a:b:c"),
    (networking.mac_address, "x", "x is not a valid mac address"),
    (resources.ulimit, "foo", "invalid ulimit argument: foo"),
    (resources.ulimit, "foo=1", "invalid ulimit type: foo"),
    (resources.ulimit, "nofile=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
    (
        resources.ulimit,
        "nofile=1:2:3",
        "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`",
    ),
    (resources.ulimit, "nofile=5:3", "ulimit soft limit must be less than or equal to hard limit: 5 > 3"),
    (
        resources.ulimit,
        "nofile=-1:5",
        "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 5",
    ),
    (resources.sysctl, "a", "sysctl 'a' is not allowed"),
    (resources.sysctl, "vm.x=1", "sysctl 'vm.x=1' is not allowed"),
    (resources.weight_device, "x", "bad format: x"),
    (resources.weight_device, "x:3", "bad format for device path: x:3"),
    (resources.weight_device, "/dev/a:3", "invalid weight for device: /dev/a:3"),
    (resources.device, "a:b:c:d", "bad format for path: a:b:c:d"),
    (resources.device, "a", "a is not an absolute path"),
    (resources.device, "/dev/a:rz", "rz is not an absolute path"),
    (environment.variable, "=x", "invalid environment variable: =x"),
    (environment.attach_stream, "foo", "valid streams are STDIN, STDOUT and STDERR"),
    (one_filter, "foo", "bad format of filter (expected name=value)"),
]


@pytest.mark.parametrize(("parser", "text", "message"), VALUE_ERRORS)
def test_refused_values(parser: Callable[[str], Any], text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parser(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("80", {"80/tcp": [{"HostIp": "", "HostPort": ""}]}),
        (":80", {"80/tcp": [{"HostIp": "", "HostPort": ""}]}),
        ("8080:80", {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}),
        ("127.0.0.1:8080:80/UDP", {"80/udp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}),
        ("127.0.0.1::80", {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}),
        ("[::1]:80:80", {"80/tcp": [{"HostIp": "::1", "HostPort": "80"}]}),
        ("::1:80:80", {"80/tcp": [{"HostIp": "::1", "HostPort": "80"}]}),
        ("1-2:3", {"3/tcp": [{"HostIp": "", "HostPort": "1-2"}]}),
        (
            "10-11:20-21",
            {"20/tcp": [{"HostIp": "", "HostPort": "10"}], "21/tcp": [{"HostIp": "", "HostPort": "11"}]},
        ),
        ("20-21", {"20/tcp": [{"HostIp": "", "HostPort": ""}], "21/tcp": [{"HostIp": "", "HostPort": ""}]}),
        ("published=8080,target=80,protocol=udp", {"80/udp": [{"HostIp": "", "HostPort": "8080"}]}),
        ("target=80", {"80/tcp": [{"HostIp": "", "HostPort": ""}]}),
    ],
)
def test_published_ports(spec: str, expected: ports.Bindings) -> None:
    assert ports.publish([spec]) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "no port specified: <empty>"),
        ("abc", "invalid containerPort: abc"),
        ("5-3", "invalid containerPort: 5-3"),
        ("70000", "invalid containerPort: 70000"),
        ("80/foo", "invalid proto: foo"),
        ("8080:", "no port specified: 8080:<empty>"),
        ("x:80", "invalid hostPort: x"),
        ("1:2:3:4", "invalid IP address: 1:2"),
        ("a.b:1:2", "invalid IP address: a.b"),
        ("1-2:3-5", "invalid ranges specified for container and host Ports: 3-5 and 1-2"),
        ("published=1", "no port specified: 1:/tcp<empty>"),
        ("foo=1", "invalid publish opts format (should be name=value but got 'foo=1')"),
    ],
)
def test_refused_ports(spec: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ports.publish([spec])
    assert str(caught.value) == message


def test_exposed_ports() -> None:
    assert list(ports.exposed(["80", "90-92/udp", "5/sctp"])) == ["80/tcp", "90/udp", "91/udp", "92/udp", "5/sctp"]
    with pytest.raises(InvalidArgument, match="invalid port format for --expose: 80:80"):
        ports.exposed(["80:80"])
    with pytest.raises(InvalidArgument, match="invalid range format for --expose: 5-3, error: invalid range"):
        ports.exposed(["5-3"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", {"name": "foo"}),
        ("name", {"name": "name"}),
        ("name=", {"name": "name="}),
        (
            "name=a,alias=b,alias=c,ip=1.2.3.4,ip6=::1,driver-opt=k=v,gw-priority=5",
            {
                "name": "a",
                "Aliases": ["b", "c"],
                "IPAMConfig": {"IPv4Address": "1.2.3.4", "IPv6Address": "::1"},
                "DriverOpts": {"k": "v"},
                "GwPriority": 5,
            },
        ),
        ("name=a,mac-address=92:d0:c6:0a:29:33", {"name": "a", "MacAddress": "92:d0:c6:0a:29:33"}),
    ],
)
def test_networks(text: str, expected: dict[str, Any]) -> None:
    assert networking.network(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1.2.3.4", "a:1.2.3.4"),
        ("b:host-gateway", "b:host-gateway"),
        ("c=[::1]", "c:::1"),
        ("d:::1", "d:::1"),
    ],
)
def test_extra_hosts(text: str, expected: str) -> None:
    assert networking.extra_host(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/a", ("/dev/a", "/dev/a", "rwm")),
        ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:/dev/b:rw", ("/dev/a", "/dev/b", "rw")),
    ],
)
def test_devices(text: str, expected: tuple[str, str, str]) -> None:
    device = resources.device(text)
    assert (device["PathOnHost"], device["PathInContainer"], device["CgroupPermissions"]) == expected


def test_rates() -> None:
    assert resources.bps_device("/dev/a:1mb") == {"Path": "/dev/a", "Rate": 1 << 20}
    assert resources.iops_device("/dev/a:7") == {"Path": "/dev/a", "Rate": 7}
    with pytest.raises(ValueError, match="Unit is optional and can be kb, mb, or gb"):
        resources.bps_device("/dev/a:x")
    with pytest.raises(ValueError, match="Number must be a positive integer"):
        resources.iops_device("/dev/a:1k")


@pytest.mark.parametrize(
    ("text", "count", "ids", "capabilities"),
    [
        ("all", -1, None, ["gpu"]),
        ("2", 2, None, ["gpu"]),
        ('"device=0,1",capabilities=utility', 0, ["0", "1"], ["utility", "gpu"]),
        ("driver=nvidia", 1, None, ["gpu"]),
    ],
)
def test_gpus(text: str, count: int, ids: list[str] | None, capabilities: list[str]) -> None:
    request = resources.gpu_request(text)
    assert (request["Count"], request["DeviceIDs"], request["Capabilities"]) == (count, ids, [capabilities])


def test_env_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.delenv("ABSENT", raising=False)
    path = tmp_path / "env"
    path.write_text("\ufeffA=1\n# no\n\n  B= x y \nINHERITED\nABSENT\n")
    assert environment.read_file(str(path), "env file", inherit=True) == ["A=1", "B= x y ", "INHERITED=yes"]
    assert environment.read_file(str(path), "label file", inherit=False)[2:] == ["INHERITED", "ABSENT"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"C D=1\n", "variable 'C D' contains whitespaces"),
        (b"=1\n", "no variable name on line '=1'"),
        (b"A=\xff\n", "invalid utf8 bytes"),
    ],
)
def test_bad_env_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=message):
        environment.read_file(str(path), "env file", inherit=True)


def test_missing_env_file() -> None:
    with pytest.raises(InvalidArgument, match=r"^open /nonexist: no such file or directory$"):
        environment.read_file("/nonexist", "env file", inherit=True)


def test_variables_are_inherited_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "a=b")
    monkeypatch.delenv("NOT_HERE", raising=False)
    assert [environment.variable(text) for text in ("HERE", "NOT_HERE", "X=", "HERE=c")] == [
        "HERE=a=b",
        "NOT_HERE",
        "X=",
        "HERE=c",
    ]


def test_security_options(tmp_path: Path) -> None:
    profile = tmp_path / "seccomp.json"
    profile.write_text('{ "defaultAction": "X" }\n')
    options = ["no-new-privileges", "systempaths=unconfined", "label:disable", "seccomp=unconfined"]
    assert security.security_options([*options, f"seccomp={profile}"]) == (
        ["no-new-privileges", "label:disable", "seccomp=unconfined", 'seccomp={"defaultAction":"X"}'],
        True,
    )
    with pytest.raises(InvalidArgument, match='Invalid --security-opt: "foo"'):
        security.security_options(["foo"])
    with pytest.raises(InvalidArgument, match=r"opening seccomp profile \(/nope\) failed: open /nope: no such file"):
        security.security_options(["seccomp=/nope"])


def test_subnets() -> None:
    config = subnets.ipam_config(
        ["10.0.0.0/8", "fd00::/64"], ["10.1.0.0/16"], ["10.0.0.1", "fd00::1"], {"a": "10.0.0.5"}
    )
    assert config == [
        {
            "Subnet": "10.0.0.0/8",
            "IPRange": "10.1.0.0/16",
            "Gateway": "10.0.0.1",
            "AuxiliaryAddresses": {"a": "10.0.0.5"},
        },
        {"Subnet": "fd00::/64", "Gateway": "fd00::1"},
    ]


@pytest.mark.parametrize(
    ("given", "gateways", "message"),
    [
        ([], ["10.0.0.1"], "every ip-range or gateway must have a corresponding subnet"),
        (["10.0.0.0/24"], ["11.0.0.1"], "no matching subnet for gateway 11.0.0.1"),
        (["10.0.0.0/8", "10.1.0.0/16"], [], "multiple overlapping subnet configuration is not supported"),
        (["10.0.0.0/24"], ["10.0.0.1", "10.0.0.2"], "cannot configure multiple gateways"),
        (["nonsense"], [], "invalid address nonsense"),
    ],
)
def test_refused_subnets(given: list[str], gateways: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        subnets.ipam_config(given, [], gateways, {})


def test_filters_are_grouped() -> None:
    assert grouped([one_filter("Label = a=b "), one_filter("label=c"), one_filter("status=exited")]) == {
        "label": ["a=b", "c"],
        "status": ["exited"],
    }
