"""``docker run``: each flag that people use every day, seen from inside the container."""

import json
import re
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE, SharedFolder
from tests.compat.docker_cli import Docker


def shell(cli: Docker, script: str, *flags: str) -> str:
    """Standard output of ``script`` in a container that is gone afterwards."""
    return cli("run", "--rm", *flags, IMAGE, "sh", "-c", script).out


def test_run_prints_what_the_container_prints(cli: Docker) -> None:
    result = cli("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2")
    assert result.stdout == b"out\n"
    assert result.stderr == b"err\n"


def test_the_images_command_is_the_default(cli: Docker) -> None:
    assert cli("run", "--rm", "-i", IMAGE, stdin=b"echo from the shell\n").out == "from the shell"


def test_rm_leaves_nothing(cli: Docker, name: str) -> None:
    cli("run", "--rm", "--name", name, IMAGE, "true")
    assert cli("ps", "-aq", "--filter", f"name={name}").out == ""


def test_detached_prints_the_id(cli: Docker, name: str) -> None:
    printed = cli("run", "-d", "--name", name, IMAGE, "sleep", "100").out
    assert re.fullmatch("[0-9a-f]{64}", printed)
    assert cli("inspect", "-f", "{{.Id}} {{.State.Status}} {{.Name}}", name).out == f"{printed} running /{name}"


def test_cidfile(cli: Docker, tmp_path: Path) -> None:
    printed = cli("run", "-d", "--cidfile", str(tmp_path / "id"), IMAGE, "true").out
    assert (tmp_path / "id").read_text() == printed


def test_a_name_can_be_had_once(cli: Docker, name: str) -> None:
    first = cli("create", "--name", name, IMAGE).out
    message = cli.fails("create", "--name", name, IMAGE)
    assert f'Conflict. The container name "/{name}" is already in use by container "{first}"' in message
    assert "You have to remove (or rename) that container to be able to reuse that name." in message


@pytest.mark.parametrize("bad", ["-x", "a b", "x", "a/b"])
def test_bad_names(cli: Docker, bad: str) -> None:
    message = cli.fails("create", f"--name={bad}", IMAGE)
    assert f"Invalid container name ({bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in message


def test_environment(cli: Docker, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# a comment\nFROM_FILE=with spaces\nBOTH=file\n")
    script = 'echo "$A|$FROM_FILE|$BOTH|$HOSTS_OWN|$PATH|$HOME|$HOSTNAME"'
    flags = ("-e", "A=1=2", "--env-file", str(tmp_path / "env"), "-e", "BOTH=flag", "-e", "HOSTS_OWN", "-h", "box")
    result = cli("run", "--rm", *flags, IMAGE, "sh", "-c", script, env={"HOSTS_OWN": "inherited"})
    assert result.out == (
        "1=2|with spaces|flag|inherited|/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|/root|box"
    )


def test_term_is_set_on_a_terminal_only(cli: Docker) -> None:
    assert shell(cli, "echo ${TERM:-none}") == "none"
    assert shell(cli, "echo ${TERM:-none}", "-t") == "xterm"


def test_user(cli: Docker) -> None:
    assert shell(cli, "id", "-u", "web") == "uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)"
    assert shell(cli, "id -u; id -g", "-u", "5:7").split() == ["5", "7"]
    assert shell(cli, "id -u; id -g", "-u", "web:extra").split() == ["1000", "2000"]
    assert shell(cli, "echo $HOME", "-u", "web") == "/home/web"
    assert shell(cli, "id -G", "--group-add", "extra", "--group-add", "44").split() == ["0", "44", "2000"]


def test_unknown_user(cli: Docker) -> None:
    message = cli.fails("run", "--rm", "-u", "nobodyhere", IMAGE, "true", code=125)
    assert "unable to find user nobodyhere: no matching entries in passwd file" in message


def test_working_directory_is_made(cli: Docker) -> None:
    assert shell(cli, "pwd; stat -c %u .", "-w", "/not/there/yet").split() == ["/not/there/yet", "0"]
    assert "the working directory 'relative' is invalid, it needs to be an absolute path" in cli.fails(
        "run", "--rm", "-w", "relative", IMAGE, "pwd", code=125
    )


def test_entrypoint(cli: Docker) -> None:
    assert cli("run", "--rm", "--entrypoint", "echo", IMAGE, "hi", "there").out == "hi there"
    assert cli("run", "--rm", "--entrypoint", "", IMAGE, "echo", "plain").out == "plain"


def test_hostname_and_hosts(cli: Docker) -> None:
    hosts = shell(cli, "hostname; cat /etc/hostname; cat /etc/hosts", "-h", "ship", "--add-host", "harbour:10.1.2.3")
    assert hosts.split("\n")[:2] == ["ship", "ship"]
    assert re.search(r"^10\.1\.2\.3\s+harbour$", hosts, re.M)
    assert re.search(r"^127\.0\.0\.1\s+localhost$", hosts, re.M)
    assert re.search(r"^[\d.]+\s+ship$", hosts, re.M)


def test_the_default_hostname_is_the_short_id(cli: Docker, name: str) -> None:
    printed = cli("run", "--name", name, IMAGE, "hostname").out
    assert printed == cli("inspect", "-f", "{{.Id}}", name).out[:12]


def test_labels(cli: Docker, name: str, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("from=file\n")
    cli("create", "--name", name, "--label", "a=1", "--label", "empty", "--label-file", str(tmp_path / "labels"), IMAGE)
    labels = json.loads(cli("inspect", "-f", "{{json .Config.Labels}}", name).out)
    assert (labels["a"], labels["empty"], labels["from"]) == ("1", "", "file")
    assert cli("ps", "-a", "--filter", "label=a=1", "--filter", f"name={name}", "--format", "{{.Names}}").out == name


def test_read_only_root(cli: Docker) -> None:
    script = "touch /x 2>&1; touch /tmp/y && touch /dev/shm/z && echo writable"
    assert shell(cli, script, "--read-only", "--tmpfs", "/tmp").splitlines() == [
        "touch: /x: Read-only file system",
        "writable",
    ]


def test_tmpfs_options(cli: Docker) -> None:
    mount = shell(
        cli, "grep ' /scratch ' /proc/mounts; stat -c %a /scratch", "--tmpfs", "/scratch:size=64k,mode=700,exec"
    )
    assert "size=64k" in mount
    assert "noexec" not in mount
    assert mount.endswith("700")
    assert "noexec" in shell(cli, "grep ' /s ' /proc/mounts", "--tmpfs", "/s")


def test_shm_size(cli: Docker) -> None:
    assert "size=65536k" in shell(cli, "grep ' /dev/shm ' /proc/mounts")
    assert "size=2048k" in shell(cli, "grep ' /dev/shm ' /proc/mounts", "--shm-size", "2m")


def test_init_reaps_and_is_first(cli: Docker) -> None:
    first = shell(cli, "tr '\\0' ' ' </proc/1/cmdline", "--init")
    assert "init" in first or "tini" in first or "catatonit" in first
    assert shell(cli, "exit 0; ", "--init") == ""


def test_init_passes_the_exit_code_on(cli: Docker) -> None:
    cli("run", "--rm", "--init", IMAGE, "sh", "-c", "exit 41", code=41)


def test_init_makes_an_undefended_process_stoppable(cli: Docker, name: str) -> None:
    """As process 1 ``sleep`` would ignore SIGTERM; below an init it does not."""
    cli("run", "-d", "--init", "--name", name, IMAGE, "sleep", "1000")
    cli("stop", name)
    assert cli("inspect", "-f", "{{.State.ExitCode}}", name).out == "143"


def test_ulimits(cli: Docker) -> None:
    assert shell(cli, "ulimit -n; ulimit -Hn", "--ulimit", "nofile=77:88").split() == ["77", "88"]


def test_sysctl(cli: Docker) -> None:
    assert shell(cli, "cat /proc/sys/net/ipv4/ip_default_ttl", "--sysctl", "net.ipv4.ip_default_ttl=77") == "77"


def test_devices(cli: Docker) -> None:
    assert shell(cli, "ls -l /dev/quiet", "--device", "/dev/null:/dev/quiet").startswith("crw-rw-rw-")
    assert "kmsg" not in shell(cli, "ls /dev")


def test_stop_signal_and_timeout_are_recorded(cli: Docker, name: str) -> None:
    cli("create", "--name", name, "--stop-signal", "SIGUSR1", "--stop-timeout", "3", IMAGE)
    assert cli("inspect", "-f", "{{.Config.StopSignal}} {{.Config.StopTimeout}}", name).out == "SIGUSR1 3"


def test_bind_mounts(cli: Docker, folder: SharedFolder) -> None:
    (folder.here / "given").write_text("from outside\n")
    assert shell(cli, "cat /m/given; echo back >/m/taken", "-v", f"{folder.there}:/m") == "from outside"
    assert (folder.here / "taken").read_text() == "back\n"
    assert "Read-only file system" in shell(cli, "touch /m/x 2>&1 || true", "-v", f"{folder.there}:/m:ro")
    mount = f"type=bind,source={folder.there},target=/m,readonly"
    assert "Read-only file system" in shell(cli, "touch /m/x 2>&1 || true", "--mount", mount)
    assert shell(cli, "cat /etc/motd", "-v", f"{folder.there}/given:/etc/motd") == "from outside"


def test_a_missing_bind_source(cli: Docker, folder: SharedFolder) -> None:
    """``-v`` makes it, ``--mount`` says so."""
    shell(cli, "true", "-v", f"{folder.there}/made:/m")
    assert (folder.here / "made").is_dir()
    message = cli.fails(
        "run", "--rm", "--mount", f"type=bind,src={folder.there}/absent,dst=/m", IMAGE, "true", code=125
    )
    assert f"bind source path does not exist: {folder.there}/absent" in message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("-m", "1k"), "Minimum memory limit allowed is 6MB"),
        (("--cpus", "9999"), "Range of CPUs is from 0.01 to"),
        (("-v", "relative:/x:nonsense"), "invalid"),
        (("--network", "container:nosuchcontainer"), "No such container: nosuchcontainer"),
        (("--network", "nosuchnetwork"), "network nosuchnetwork not found"),
        (("--cap-add", "CAP_NONSENSE"), "CAP_NONSENSE"),
        (("--ulimit", "nonsense=1"), "invalid ulimit type: nonsense"),
        (("--security-opt", "nonsense"), "nonsense"),
    ],
)
def test_bad_values_are_named(cli: Docker, flags: tuple[str, ...], message: str) -> None:
    assert message.lower() in cli.fails("run", "--rm", *flags, IMAGE, "true", code=125).lower()


def test_an_unknown_restart_policy(cli: Docker) -> None:
    message = cli.fails("create", "--restart", "sometimes", IMAGE)
    assert "invalid restart policy: unknown policy 'sometimes'; use one of" in message


def test_a_platform(cli: Docker, name: str) -> None:
    """What is of the platform asked for, or runs there."""
    assert cli("run", "--rm", "--platform", "linux/amd64", IMAGE, "echo", "ran").out == "ran"
    assert cli("run", "--rm", "--platform", "linux/amd64/v2", "--pull", "never", IMAGE, "echo", "ran").out == "ran"
    told = cli("create", "--platform", "linux/arm64", "--pull", "never", "--name", name, IMAGE, code=1).stderr.decode()
    assert "does not match the specified platform: wanted linux/arm64, actual: linux/amd64" in told


def test_platform_facts(cli: Docker) -> None:
    """What programs look at to see that they are in a container."""
    assert shell(cli, "ls -a / | grep -x .dockerenv; readlink /etc/mtab; readlink /dev/stdout").split() == [
        ".dockerenv",
        "/proc/mounts",
        "/proc/self/fd/1",
    ]


def test_namespaces_are_the_containers_own(cli: Docker) -> None:
    names = ("mnt", "pid", "net", "uts", "ipc", "cgroup")
    script = "for n in " + " ".join(names) + "; do readlink /proc/self/ns/$n; done"
    inside = shell(cli, script, "--cgroupns", "private").split()
    assert len(inside) == len(names)
    assert not set(inside) & {str(Path(f"/proc/self/ns/{name}").readlink()) for name in names}
    assert shell(cli, "echo $$") == "1"


def test_namespaces_of_the_host_on_request(cli: Docker) -> None:
    script = "for n in pid uts ipc; do readlink /proc/self/ns/$n; done"
    shared = shell(cli, script, "--pid", "host", "--uts", "host", "--ipc", "host").split()
    assert shared == [str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("pid", "uts", "ipc")]


def test_pid_namespace_of_another_container(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, "sleep", "4321")
    assert "sleep 4321" in shell(cli, "ps", "--pid", f"container:{name}")
