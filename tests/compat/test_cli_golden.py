"""``pier`` and ``docker``, aimed at one engine, print the same: output, errors, exit codes."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pier.testing.registry import free_port
from tests.compat.conftest import IMAGE, Engine, remove_containers
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier, both


@pytest.fixture(scope="module")
def pier(engine: Engine, session_cli: Docker, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(engine.host, tmp_path_factory.mktemp("pier-config"), session_cli.label)


@pytest.fixture(scope="module")
def furnished(session_cli: Docker, pier: Pier) -> Iterator[None]:
    """One container that runs, with ports and labels, one that has ended, one that never ran; a volume.

    Nothing of what other tests have built: the more rows, the more ages that move between two calls.
    """
    cli = session_cli
    cli("image", "prune", "-f")
    pier("builder", "prune", "-af")
    first = three_ports()
    udp = f"127.0.0.1:{first}-{first + 2}:9000-9002/udp"
    ports = ("-p", f"127.0.0.1:{free_port()}:80", "-p", udp, "--expose", "77")
    shell = "echo out; echo err >&2; exec sleep 3600"
    cli("run", "-d", "--name", "golden-up", *ports, "-l", "a=b", "-l", "c=d", IMAGE, "sh", "-c", shell)
    cli("run", "--name", "golden-down", IMAGE, "sh", "-c", "exit 3", code=3)
    cli("create", "--name", "golden-new", "-t", "-v", "golden-volume:/data", IMAGE)
    cli("volume", "create", "--label", "x=y", "golden-other")
    yield
    remove_containers(cli)
    cli("volume", "rm", "golden-volume", "golden-other")


def three_ports() -> int:
    """The first of three for UDP, one after the other, that nobody has."""
    while True:
        first = free_port(kind=socket.SOCK_DGRAM)
        with ExitStack() as stack, suppress(OSError):
            for port in (first, first + 1, first + 2):
                stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
            return first


FORMATS = ("{{.Foo}}", "{{.ID", "{{foo .}}", "table {{.ID}}\\t{{.Foo}}", "json", "{{json .}}")
COMMANDS = [
    ("ps",),
    ("ps", "-a"),
    ("ps", "-as"),
    ("ps", "-q"),
    ("ps", "-l"),
    ("ps", "-n", "2"),
    ("ps", "--no-trunc"),
    ("ps", "-a", "--filter", "status=exited"),
    ("ps", "--filter", "foo=bar"),
    ("ps", "--filter", "foo"),
    ("ps", "--last", "x"),
    ("ps", "x"),
    ("ps", "-a", "--format", 'table {{.Names}}\\t{{.Label "a"}}\\t{{.LocalVolumes}} {{.RunningFor}}'),
    ("ps", "-a", "--format", '{{.ID}}: {{upper .Names}} {{.Status | printf "%q"}} {{.Networks}} {{.Mounts}}'),
    *(("ps", "--format", form) for form in FORMATS),
    ("images",),
    ("images", "-q"),
    ("images", "--no-trunc", "--digests"),
    ("images", "nothing"),
    ("images", "--filter", "foo=bar"),
    *(("images", "--format", form) for form in FORMATS),
    ("image", "ls", IMAGE),
    ("history", IMAGE),
    ("history", "--no-trunc", "--human=false", IMAGE),
    ("history", "--format", "json", IMAGE),
    ("history", "nope"),
    ("inspect", "golden-up"),
    ("inspect", "golden-up", "nope", "golden-down"),
    ("inspect", "--type", "container", "nope"),
    ("inspect", "--type", "image", "nope"),
    ("inspect", "--type", "foo", "nope"),
    ("inspect", "golden-other"),
    ("container", "inspect", "-s", "golden-up"),
    ("image", "inspect", IMAGE),
    ("image", "inspect", "nope"),
    ("volume", "inspect", "golden-other", "nope"),
    ("network", "inspect", "bridge"),
    ("network", "inspect", "nope"),
    ("inspect", "-f", "{{.State.Status}} {{.State.Health}} {{.Config.Labels}} {{.HostConfig.Memory}}", "golden-up"),
    ("inspect", "-f", "{{.NetworkSettings.Ports}}", "golden-up"),
    ("inspect", "-f", "{{range .Mounts}}{{.Name}} {{.Destination}}{{end}}{{len .Args}}", "golden-new"),
    ("inspect", "-f", "{{json .Config}}", "golden-up"),
    ("inspect", "-f", "{{.Foo}}", "golden-up"),
    ("inspect", "-f", "{{.State.Foo.Bar}}", "golden-up"),
    ("inspect", "-f", "{{.Foo", "golden-up"),
    ("inspect", "-f", "{{foo .}}", "golden-up"),
    ("inspect", "-f", "{{if .X}}", "golden-up"),
    ("inspect", "-f", "json", "golden-up"),
    ("port", "golden-up"),
    ("port", "golden-up", "80"),
    ("port", "golden-up", "80/udp"),
    ("port", "golden-down"),
    ("port", "nope"),
    ("top", "golden-up"),
    ("top", "golden-up", "-o", "pid,args"),
    ("top", "golden-down"),
    ("diff", "golden-up"),
    ("diff", "nope"),
    ("logs", "golden-up"),
    ("logs", "--tail", "1", "golden-up"),
    ("logs", "-t", "golden-up"),
    ("logs", "--since", "x", "golden-up"),
    ("logs", "nope"),
    ("exec", "golden-up", "sh", "-c", "echo o; echo e >&2; exit 4"),
    ("exec", "-e", "A=1", "-w", "/tmp", "-u", "1000", "golden-up", "sh", "-c", "echo $A; pwd; id -u"),
    ("exec", "golden-up", "nonexistent"),
    ("exec", "golden-down", "true"),
    ("exec", "nope", "true"),
    ("exec", "-it", "golden-up", "sh"),
    ("exec", "golden-up"),
    ("attach", "golden-down"),
    ("attach", "-x", "golden-down"),
    ("start", "nope"),
    ("start", "-a", "golden-down"),
    ("stop", "nope", "nope2"),
    ("stop",),
    ("rm", "nope"),
    ("rm", "golden-up"),
    ("rm", "-f", "nope"),
    ("kill", "golden-down"),
    ("kill", "-s", "FOO", "golden-up"),
    ("pause", "golden-down"),
    ("unpause", "golden-up"),
    ("wait", "golden-down", "nope"),
    ("rename", "golden-up", "golden-down"),
    ("rename", "a"),
    ("update", "golden-up"),
    ("update", "--memory", "64m", "--memory-swap", "128m", "golden-up"),
    ("stats", "--no-stream", "nope"),
    ("cp", "a", "b"),
    ("cp", "golden-up:/a", "golden-down:/b"),
    ("cp", "nope:/a", "/tmp"),
    ("cp", "golden-up:/nothing", "/tmp"),
    ("volume", "ls"),
    ("volume", "ls", "-q", "--filter", "name=golden"),
    ("volume", "ls", "--format", "json"),
    ("volume", "rm", "nope"),
    ("volume", "rm", "golden-volume"),
    ("network", "ls"),
    ("network", "ls", "--format", "json"),
    ("network", "ls", "--no-trunc"),
    ("network", "rm", "nope"),
    ("network", "connect", "bridge", "nope"),
    ("network", "create"),
    ("network", "create", "x", "--gateway", "10.0.0.1"),
    ("network", "create", "x", "--subnet", "10.99.0.0/24", "--gateway", "10.0.0.1"),
    ("system", "df"),
    ("system", "df", "-v"),
    ("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"),
    ("system", "df", "--format", "json"),
    ("events", "--since", "10m", "--until", "0s", "--filter", "container=golden-down"),
    ("events", "--since", "10m", "--until", "0s", "--filter", "container=golden-down", "--format", "json"),
    ("events", "--since", "10m", "--until", "0s", "--filter", "type=volume", "--format", "{{.Action}} {{.Actor.ID}}"),
    ("events", "--until", "x"),
    ("system", "prune"),
    ("system", "prune", "-a", "--volumes", "--filter", "label=x"),
    ("system", "prune", "--volumes", "--filter", "until=1h"),
    ("volume", "prune"),
    ("volume", "prune", "-a"),
    ("container", "prune"),
    ("image", "prune"),
    ("image", "prune", "-a"),
    ("network", "prune"),
    ("container", "prune", "-f", "--filter", "label=nothing"),
    ("image", "prune", "-f", "--filter", "label=nothing"),
    ("volume", "prune", "-f", "--filter", "label=nothing"),
    ("tag", "nope", "a"),
    ("tag", IMAGE, "A"),
    ("rmi", "nope"),
    ("save", "nope"),
    ("load", "-i", "/nonexistent"),
    ("load",),
    ("import", "/nonexistent"),
    ("commit", "nope"),
    ("commit", "golden-up", "A"),
    ("pull", "NOPE"),
    ("pull",),
    ("pull", "127.0.0.1:1/x"),
    ("push", "nope"),
    ("login", "-p", "x"),
    ("foo",),
    ("container", "foo"),
    ("version", "-f", "{{.Server.Version}} {{.Server.Os}}"),
    ("info", "-f", "{{.Name}} {{.NCPU}} {{json .Plugins.Volume}}"),
]


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_same_as_docker(args: tuple[str, ...], session_cli: Docker, pier: Pier) -> None:
    theirs, ours = both(session_cli, pier, *args)
    assert ours == theirs


RUNS = [
    (IMAGE, "sh", "-c", "seq 1000; echo e >&2; exit 5"),
    (IMAGE, "nonexistent"),
    (IMAGE, "/etc"),
    ("--rm", "-i", IMAGE, "cat"),
    (
        "-e",
        "A=1",
        "--env-file",
        "/dev/null",
        "-w",
        "/tmp",
        "-u",
        "7:8",
        "-h",
        "box",
        IMAGE,
        "sh",
        "-c",
        "id; pwd; env|sort",
    ),
    ("--tmpfs", "/x", "--read-only", "--network", "none", IMAGE, "sh", "-c", "touch /y; ls -d /x"),
    ("-t", IMAGE, "sh", "-c", "echo a; echo b >&2; tty"),
    ("--name", "a/b", IMAGE),
    ("--network", "nope", IMAGE),
    ("--pull", "foo", IMAGE),
    ("--pull", "never", "nonexistent-image"),
    ("-d", "--attach", "stdin", IMAGE),
    ("--rm", "--restart", "always", IMAGE),
    ("-it", IMAGE),
    ("--cidfile", "/dev/null", IMAGE),
    ("--env-file", "/nonexistent", IMAGE),
    ("-p", "abc", IMAGE),
    ("-v", "a:b:c:d", IMAGE),
    ("-v", "a:/b:zz", IMAGE),
    ("--mount", "x", IMAGE),
    ("--mount", "type=bind,target=/x", IMAGE),
    ("--memory", "x", IMAGE),
    ("--cap-add", "FOO", IMAGE),
    ("--restart", "foo", IMAGE),
    ("--ipc", "foo", IMAGE),
    ("--gpus", "all", IMAGE),
    ("NOPE",),
    (),
]


@pytest.mark.parametrize("args", RUNS, ids=" ".join)
def test_run_is_the_same(args: tuple[str, ...], cli: Docker, pier: Pier) -> None:
    theirs, ours = both(cli, pier, "run", *args, stdin=b"some\ninput")
    assert ours == theirs


def test_a_cidfile_that_exists(cli: Docker, pier: Pier, tmp_path: Path, name: str) -> None:
    path = tmp_path / "cid"
    made = pier("create", "--cidfile", str(path), "--name", name, IMAGE).out
    assert path.read_text() == made
    assert pier.fails("run", "--cidfile", str(path), IMAGE, code=125).startswith("pier: container ID file found")
    assert pier.fails("run", "--cidfile", str(tmp_path / "new"), "--network", "nope", IMAGE, code=125)
    assert cli("inspect", "-f", "{{.Id}}", name).out == made
