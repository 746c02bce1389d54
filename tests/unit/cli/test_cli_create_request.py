"""``run`` and ``create`` flags to the request that the docker command line would send."""

from typing import Any

import pytest

from pier.cli.call import Call
from pier.cli.commands.run import RUN
from pier.cli.options.container import create_request
from pier.cli.parse import parse_flags
from pier.errors import InvalidArgument


def request(*argv: str, console: tuple[int, int] | None = None) -> dict[str, Any]:
    parsed = parse_flags(RUN.flags, argv, interspersed=False)
    call = Call("run", RUN, parsed.values, parsed.args, {})
    image, *command = parsed.args
    return create_request(call, image, command, console)


def test_nothing_but_the_image() -> None:
    assert request("box") == {
        "Image": "box",
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "HostConfig": {},
    }


@pytest.mark.parametrize(
    ("argv", "attached", "open_stdin", "once"),
    [
        (["-i"], (True, True, True), True, True),
        (["-d"], (False, False, False), False, False),
        (["-d", "-i", "-t"], (False, False, False), True, False),
        (["-a", "stdin", "-a", "STDOUT"], (True, True, False), False, False),
        (["-i", "-a", "stderr"], (False, False, True), True, False),
    ],
)
def test_streams(argv: list[str], attached: tuple[bool, bool, bool], open_stdin: bool, once: bool) -> None:
    body = request(*argv, "box")
    assert (body["AttachStdin"], body["AttachStdout"], body["AttachStderr"]) == attached
    assert (body["OpenStdin"], body["StdinOnce"]) == (open_stdin, once)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["box", "echo", "-n", "x"], {"Cmd": ["echo", "-n", "x"]}),
        (["--entrypoint", "", "box"], {"Entrypoint": [""]}),
        (["--entrypoint", "sh", "box"], {"Entrypoint": ["sh"]}),
        (["-e", "A=1", "-e", "B=", "box"], {"Env": ["A=1", "B="]}),
        (["-l", "a=b", "-l", "c", "box"], {"Labels": {"a": "b", "c": ""}}),
        (["-h", "x", "-u", "1:2", "-w", "/w", "box"], {"Hostname": "x", "User": "1:2", "WorkingDir": "/w"}),
        (["--stop-signal", "9", "--stop-timeout", "5", "box"], {"StopSignal": "9", "StopTimeout": 5}),
        (["-v", "/anon", "box"], {"Volumes": {"/anon": {}}}),
        (["--expose", "80", "-p", "90", "box"], {"ExposedPorts": {"90/tcp": {}, "80/tcp": {}}}),
        (["--no-healthcheck", "box"], {"Healthcheck": {"Test": ["NONE"]}}),
        (
            ["--health-cmd", "x y", "--health-interval", "2s", "--health-retries", "3", "box"],
            {"Healthcheck": {"Test": ["CMD-SHELL", "x y"], "Interval": 2 * 10**9, "Retries": 3}},
        ),
        (
            ["--mac-address", "92:d0:c6:0a:29:33", "box"],
            {"NetworkingConfig": {"EndpointsConfig": {"default": {"MacAddress": "92:d0:c6:0a:29:33"}}}},
        ),
        (
            ["--network", "n", "--ip", "1.2.3.4", "--network-alias", "a", "box"],
            {
                "NetworkingConfig": {
                    "EndpointsConfig": {"n": {"Aliases": ["a"], "IPAMConfig": {"IPv4Address": "1.2.3.4"}}}
                }
            },
        ),
        (
            ["--network", "name=n,alias=a", "--network", "m", "box"],
            {"NetworkingConfig": {"EndpointsConfig": {"n": {"Aliases": ["a"]}, "m": {}}}},
        ),
    ],
)
def test_config(argv: list[str], expected: dict[str, Any]) -> None:
    body = request(*argv)
    assert {key: body[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--rm", "--init"], {"AutoRemove": True, "Init": True}),
        (["--restart", "on-failure:3"], {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
        (["--restart", "always", "--rm=false"], {"RestartPolicy": {"Name": "always"}, "AutoRemove": False}),
        (["-m", "64m", "--cpus", "1.5", "--pids-limit", "0"], {"Memory": 64 << 20, "NanoCpus": 15 * 10**8}),
        (["--cap-add", "a", "--cap-drop", "ALL"], {"CapAdd": ["CAP_A"], "CapDrop": ["ALL"]}),
        (["--sysctl", "net.a=b", "--annotation", "x"], {"Sysctls": {"net.a": "b"}, "Annotations": {"x": ""}}),
        (
            ["--ulimit", "nofile=10", "--ulimit", "core=0:0", "--ulimit", "nofile=20:30"],
            {"Ulimits": [{"Name": "core", "Hard": 0, "Soft": 0}, {"Name": "nofile", "Hard": 30, "Soft": 20}]},
        ),
        (["--pid", "host", "--uts", "host", "--ipc", "private"], {"PidMode": "host", "UTSMode": "host"}),
        (["--network", "host"], {"NetworkMode": "host"}),
        (["--net", "container:x"], {"NetworkMode": "container:x"}),
        (["-p", "8080:80"], {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}),
        (["-P", "--privileged", "--read-only"], {"PublishAllPorts": True, "Privileged": True, "ReadonlyRootfs": True}),
        (["-v", "a:/b:ro", "--tmpfs", "/t:size=1m"], {"Binds": ["a:/b:ro"], "Tmpfs": {"/t": "size=1m"}}),
        (["--log-opt", "max-size=1m"], {"LogConfig": {"Type": "", "Config": {"max-size": "1m"}}}),
        (["--security-opt", "systempaths=unconfined"], {"SecurityOpt": [], "MaskedPaths": [], "ReadonlyPaths": []}),
        (["--gpus", "all"], {"Devices": []}),
        (
            ["--device", "/dev/null", "--device", "vendor.com/class=a"],
            {
                "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rwm"}],
                "DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/class=a"]}],
            },
        ),
    ],
)
def test_host_config(argv: list[str], expected: dict[str, Any]) -> None:
    host = request(*argv, "box")["HostConfig"]
    assert {key: host.get(key) for key in expected} == expected


def test_the_terminal_size_goes_along() -> None:
    assert request("-t", "box", console=(24, 80))["HostConfig"]["ConsoleSize"] == [24, 80]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--rm", "--restart", "always"], "conflicting options: cannot specify both --restart and --rm"),
        (["--restart", ":3"], "invalid restart policy format: no policy provided before colon"),
        (["--restart", "on-failure:x"], "invalid restart policy format: maximum retry count must be an integer"),
        (["--pid", "foo"], "--pid: invalid PID mode"),
        (["--uts", "foo"], "--uts: invalid UTS mode"),
        (["--userns", "foo"], "--userns: invalid USER mode"),
        (["--cgroupns", "foo"], "--cgroupns: invalid CGROUP mode"),
        (["--memory-swappiness", "101"], "invalid value: 101. Valid memory swappiness range is 0-100"),
        (["--storage-opt", "x"], "invalid storage option"),
        (["--log-driver", "none", "--log-opt", "a=b"], "invalid logging opts for driver none"),
        (["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"),
        (["--health-interval", "-5s"], "--health-interval cannot be negative"),
        (["--mac-address", "x"], "x is not a valid mac address"),
        (
            ["--network", "host", "--network", "foo"],
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        ),
        (["--network", "foo", "--network", "foo"], 'network "foo" is specified multiple times'),
        (["--device", "a"], "a is not an absolute path"),
        (["--env-file", "/nonexist"], "open /nonexist: no such file or directory"),
    ],
)
def test_refused(argv: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        request(*argv, "box")
    assert str(caught.value) == message
