"""The engine about itself: ``version``, ``info``, ``system df``, ``events``."""

import json
import re
import select

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually, read_until


def test_version(cli: Docker) -> None:
    shown = json.loads(cli("version", "--format", "{{json .}}").out)
    assert shown["Server"]["Os"] == "linux"
    assert shown["Server"]["MinAPIVersion"] == "1.24"
    major, minor = shown["Server"]["ApiVersion"].split(".")
    assert int(major) == 1
    assert int(minor) >= 45
    names = {component["Name"] for component in shown["Server"]["Components"]}
    assert "Engine" in names
    assert "Server:" in cli("version").out


def test_info(cli: Docker) -> None:
    shown = json.loads(cli("info", "--format", "{{json .}}").out)
    assert shown["Driver"] == "overlay2"
    assert shown["OSType"] == "linux"
    assert shown["NCPU"] >= 1
    assert shown["MemTotal"] > 1 << 28
    assert shown["CgroupVersion"] in {"1", "2"}
    assert shown["DefaultRuntime"] in shown["Runtimes"]
    assert {"bridge", "host", "null"} <= set(shown["Plugins"]["Network"])
    assert "local" in shown["Plugins"]["Volume"]
    assert any("seccomp" in option for option in shown["SecurityOptions"])
    assert "Storage Driver: overlay2" in cli("info").out


def test_info_counts(cli: Docker, name: str) -> None:
    def running() -> int:
        return int(cli("info", "--format", "{{.ContainersRunning}}").out)

    before = running()
    cli("run", "-d", "--name", name, IMAGE, "sleep", "1000")
    eventually(lambda: running() > before)


def test_df(cli: Docker, name: str) -> None:
    cli("run", "--name", name, "-v", name + "-vol:/vol", IMAGE, "sh", "-c", "head -c 2000000 /dev/zero >/big")
    table = cli("system", "df").out
    for kind in ("Images", "Containers", "Local Volumes", "Build Cache"):
        assert re.search(rf"^{kind}\s+\d+\s+\d+\s+\S+", table, re.M), table
    shown = [json.loads(line) for line in cli("system", "df", "--format", "{{json .}}").lines]
    assert [row["Type"] for row in shown] == ["Images", "Containers", "Local Volumes", "Build Cache"]
    detail = json.loads(cli("system", "df", "-v", "--format", "{{json .}}").out)
    mine = next(row for row in detail["Containers"] if row["Names"] == name)
    assert mine["Size"].startswith("2MB")
    assert any(row["Name"] == name + "-vol" and row["Links"] == "1" for row in detail["Volumes"])
    cli("rm", "-f", name)
    cli("volume", "rm", name + "-vol")


def test_events_of_a_life(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, "sh", "-c", "exit 3")
    cli("wait", name)
    cli("rm", name)
    flags = ("--since", "5m", "--until=-1s", "--filter", f"container={name}", "--format", "{{json .}}")
    seen = [json.loads(line) for line in cli("events", *flags).lines]
    actions = [event["Action"] for event in seen if event["Type"] == "container"]
    assert actions == ["create", "start", "die", "destroy"]
    died = next(event for event in seen if event["Action"] == "die")
    assert died["Actor"]["Attributes"]["exitCode"] == "3"
    assert died["Actor"]["Attributes"]["name"] == name
    assert died["Actor"]["Attributes"]["image"] == IMAGE
    assert died["timeNano"] // 1_000_000_000 == died["time"]


def test_events_as_they_happen(cli: Docker, name: str) -> None:
    watching = cli.spawn("events", "--filter", f"container={name}", "--format", "{{.Action}}")
    assert watching.stdout
    try:
        # The watcher says nothing when it has begun: knock until it hears.
        for number in range(50):
            cli("create", "--name", name, "--label", f"knock={number}", IMAGE, "sleep", "1000")
            if select.select([watching.stdout], [], [], 0.2)[0]:
                break
            cli("rm", name)
        cli("start", name)
        cli("kill", name)
        read_until(watching.stdout, b"kill\ndie\n")
    finally:
        watching.kill()
        watching.communicate()


def events_of(cli: Docker, kind: str, actor: str) -> list[str]:
    flags = ("--since", "5m", "--until=-1s", "--filter", f"type={kind}", "--format", "{{json .}}")
    seen = [json.loads(line) for line in cli("events", *flags).lines]
    return [event["Action"] for event in seen if event["Actor"]["ID"] == actor]


def test_events_of_volumes_and_images(cli: Docker, name: str) -> None:
    cli("volume", "create", name)
    cli("volume", "rm", name)
    cli("tag", IMAGE, name)
    cli("rmi", name)
    assert events_of(cli, "volume", name) == ["create", "destroy"]
    assert events_of(cli, "image", cli("image", "inspect", "-f", "{{.Id}}", IMAGE).out)[-2:] == ["tag", "untag"]


def test_an_unreachable_engine(cli: Docker) -> None:
    message = cli.fails("-H", "unix:///nowhere.sock", "ps")
    assert "Cannot connect to the Docker daemon at unix:///nowhere.sock. Is the docker daemon running?" in message


def test_an_old_client(cli: Docker) -> None:
    for version in ("1.24", "1.30", "1.40", "1.44"):
        shown = json.loads(cli("version", "--format", "{{json .}}", env={"DOCKER_API_VERSION": version}).out)
        assert shown["Client"]["ApiVersion"] == version
        assert shown["Server"]["Os"] == "linux"
    cli("ps", env={"DOCKER_API_VERSION": "1.24"})
    assert cli("run", "--rm", IMAGE, "echo", "hi", env={"DOCKER_API_VERSION": "1.30"}).out == "hi"
    message = cli("ps", code=1, env={"DOCKER_API_VERSION": "1.9"}).err
    assert "client version 1.9 is too old. Minimum supported API version is 1.24" in message
