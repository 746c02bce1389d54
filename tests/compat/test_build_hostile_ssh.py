"""``--ssh`` with real agents, keys and servers: what a step may do with them, and repositories behind sshd.

The server is a container of the engine's with its own host key; it lets in one user key. Its programs are the host's.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compat.conftest import Engine, docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.hostile import alive, seconds
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.compat.rootfs import FILES, host_programs
from tests.system.build.gitserver import Project

PROGRAMS = ("ssh", "ssh-add", "ssh-keygen", "sshd", "git", "git-shell")
PEOPLE = b"sshd:*:74:74::/run/sshd:/bin/false\ngit:*:75:75::/srv/git:/usr/bin/git-shell\n"
TOOLS = "FROM testbox\nADD tools.tar /\n"
SERVER = """\
FROM ssh-tools
COPY --chmod=600 host other /keys/
COPY --chmod=644 user.pub /srv/git/.ssh/authorized_keys
COPY repo.git /srv/repo.git
RUN chown -R 75:75 /srv/repo.git /srv/git && cp /keys/host /keys/current && mkdir -p /run/sshd
CMD ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", "/keys/current", \\
  "-o", "PasswordAuthentication=no", "-o", "KbdInteractiveAuthentication=no"]
"""
CLONE = "git -c core.sshCommand='ssh -o StrictHostKeyChecking=no -o BatchMode=yes' clone -q"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``user`` is let in, ``stranger`` is not; ``locked`` has a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("host", "other", "user", "stranger", "locked"):
        phrase = "hush" if name == "locked" else ""
        kind = ["-t", "rsa", "-b", "2048"] if name == "stranger" else ["-t", "ed25519"]
        subprocess.run(["ssh-keygen", "-q", *kind, "-N", phrase, "-C", name, "-f", folder / name], check=True)
    return folder


@pytest.fixture(scope="module")
def pier(session_cli: Docker, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(session_cli.host, tmp_path_factory.mktemp("config"), session_cli.label)


@pytest.fixture(scope="module")
def buildx(session_cli: Docker, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    folder = tmp_path_factory.mktemp("buildx")
    return with_plugins(docker_program(), engine.host, folder, session_cli.label, ["docker-buildx"])


@pytest.fixture(scope="module", params=["pier", "buildx"])
def client(request: pytest.FixtureRequest, pier: Docker, buildx: Docker, tools: None) -> "Client":
    return Client(pier, "build") if request.param == "pier" else Client(buildx, "buildx", "build")


class Client:
    def __init__(self, cli: Docker, *command: str) -> None:
        self._cli = cli
        self._command = (*command, "--progress", "plain", "--no-cache")

    def __call__(self, *words: str, code: int = 0, agent: str = "") -> str:
        """What a build says. ``agent``: SSH_AUTH_SOCK."""
        return self._cli(*self._command, *words, code=code, env={"SSH_AUTH_SOCK": agent}).err


@pytest.fixture(scope="module")
def tools(session_cli: Docker, buildx: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("tools")
    (folder / "Dockerfile").write_text(TOOLS)
    (folder / "tools.tar").write_bytes(host_programs(*PROGRAMS, passwd=FILES["etc/passwd"] + PEOPLE))
    buildx("buildx", "build", "-q", "-t", "ssh-tools", str(folder))
    yield
    session_cli("rmi", "-f", "ssh-tools")


@pytest.fixture(scope="module")
def server(session_cli: Docker, buildx: Docker, tools: None, keys: Path) -> Iterator[str]:
    """The container's address; a repository is at ``/srv/repo.git``."""
    project = Project(keys)
    project.commit(Dockerfile="FROM testbox\nCOPY text /\n", text="over ssh\n")
    project.publish()
    (keys / "Dockerfile").write_text(SERVER)
    buildx("buildx", "build", "-q", "-t", "ssh-server", str(keys))
    session_cli("run", "-d", "--name", "ssh-server", "ssh-server")
    eventually(lambda: listens(session_cli), "sshd listens")
    yield session_cli("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "ssh-server").out
    session_cli("rm", "-f", "ssh-server")
    session_cli("rmi", "-f", "ssh-server")


def listens(cli: Docker) -> int:
    """How often it has begun to."""
    return cli("logs", "ssh-server").err.count("Server listening on 0.0.0.0")


@pytest.fixture
def temporary(pier: Pier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``pier`` has its temporary files, and the sockets of the agents that it starts."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setitem(pier._env, "TMPDIR", str(made))
    return made


@contextmanager
def ssh_agent(folder: Path, *keys: Path) -> Iterator[str]:
    """A real one; its socket."""
    path = str(folder / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        eventually(lambda: os.path.exists(path), "the agent listens")
        for key in keys:
            subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": path}, check=True)
        yield path
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def fingerprint(key: Path) -> str:
    return subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True).stdout.split()[1]


def step(folder: Path, command: str) -> str:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    (project / "Dockerfile").write_text(f"FROM ssh-tools\nRUN --mount=type=ssh {command}\n")
    return str(project)


def test_an_agent_for_a_step(client: Client, tmp_path: Path, keys: Path, server: str) -> None:
    """It lists its keys, and signs with them: the server lets the step in."""
    where = step(tmp_path, f"ssh-add -l && {CLONE} git@{server}:/srv/repo.git /x && cat /x/text")
    with ssh_agent(tmp_path, keys / "user", keys / "stranger") as path:
        for words, variable in ((("--ssh", "default"), path), (("--ssh", f"default={path}"), "")):
            shown = client(*words, where, agent=variable)
            assert fingerprint(keys / "user") in shown and fingerprint(keys / "stranger") in shown
            assert "over ssh\n" in shown


def test_a_step_cannot_change_the_agent(client: Client, tmp_path: Path, keys: Path) -> None:
    where = step(
        tmp_path, "ssh-keygen -q -N '' -f /k; ssh-add /k; ssh-add -D; ssh-add -d /k; echo x | ssh-add -x; ssh-add -l"
    )
    with ssh_agent(tmp_path, keys / "user") as path:
        shown = client("--ssh", f"default={path}", where)
        assert fingerprint(keys / "user") in shown
        listed = subprocess.run(["ssh-add", "-l"], env={**os.environ, "SSH_AUTH_SOCK": path}, capture_output=True)
    assert len(listed.stdout.splitlines()) == 1


def test_keys_from_files(client: Client, tmp_path: Path, keys: Path, server: str, temporary: Path) -> None:
    """An agent with just these keys; nothing of it is left."""
    where = step(tmp_path, f"ssh-add -l | wc -l && {CLONE} git@{server}:/srv/repo.git /x && cat /x/text")
    shown = client("--ssh", f"default={keys / 'stranger'},{keys / 'user'}", where)
    assert " 2\n" in shown and "over ssh\n" in shown
    assert not alive(str(temporary)) and not os.listdir(temporary)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("default={keys}/locked", "failed to parse {keys}/locked: ssh: this private key is passphrase protected"),
        ("default={keys}/user.pub", "failed to parse {keys}/user.pub: ssh: no key found"),
        ("default={keys}/absent", "stat {keys}/absent: no such file or directory"),
        ("default={agent},{keys}/user", "only single socket allowed"),
        ("default={keys}/user,{agent}", "invalid combination of keys and sockets"),
        ("default", "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"),
    ],
)
def test_what_is_no_key(client: Client, tmp_path: Path, keys: Path, given: str, words: str) -> None:
    with ssh_agent(tmp_path) as path:
        shown = client("--ssh", given.format(keys=keys, agent=path), step(tmp_path, "true"), code=1)
    assert f"ERROR: {words.format(keys=keys)}" in shown


def test_a_client_that_is_killed_takes_its_keys_along(
    pier: Pier, tools: None, tmp_path: Path, keys: Path, temporary: Path
) -> None:
    long = seconds()
    where = step(tmp_path, f"sleep {long}")
    running = pier.spawn("build", "--ssh", f"default={keys}/user", where, start_new_session=True)
    eventually(lambda: alive(f"sleep\x00{long}"), "the step runs")
    assert alive(str(temporary)) and os.listdir(temporary)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    eventually(lambda: not alive(str(temporary)) and not os.listdir(temporary), "the agent is gone")
    eventually(lambda: not alive(f"sleep\x00{long}"), "the step is gone")


# --- repositories ---


@pytest.mark.parametrize("form", ["git@{}:/srv/repo.git", "ssh://git@{}/srv/repo.git"])
def test_a_repository(client: Client, tmp_path: Path, keys: Path, server: str, session_cli: Docker, form: str) -> None:
    """As the context, and in an ADD; with an agent, and with a key."""
    url = form.format(server)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(f"FROM testbox\nADD {url}#main /x\nRUN cat /x/text\n")
    with ssh_agent(tmp_path, keys / "stranger", keys / "user") as path:
        client("-t", "over-ssh", f"{url}#main", agent=path)
    assert session_cli("run", "--rm", "over-ssh", "cat", "/text").out == "over ssh"
    session_cli("rmi", "-f", "over-ssh")
    assert " over ssh\n" in client("--ssh", f"default={keys / 'user'}", str(project))


def test_a_repository_that_lets_nobody_in(client: Client, keys: Path, server: str) -> None:
    url = f"git@{server}:/srv/repo.git"
    assert "invalid empty ssh agent socket" in client(url, code=1)
    assert 'no SSH key "default" forwarded from the client' in client("--ssh", f"mine={keys / 'user'}", url, code=1)
    assert "Permission denied (publickey)" in client("--ssh", f"default={keys / 'stranger'}", url, code=1)
    assert "does not appear to be a git repository" in client(
        "--ssh", f"default={keys / 'user'}", f"git@{server}:/srv/absent.git", code=1
    )


def test_a_server_that_became_another(client: Client, keys: Path, server: str, session_cli: Docker) -> None:
    """It was seen with its key before: now it may be anyone."""
    words = ("--ssh", f"default={keys / 'user'}", f"git@{server}:/srv/repo.git")
    client(*words)
    _host_key(session_cli, "other")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in client(*words, code=1)
    _host_key(session_cli, "host")
    client(*words)


def _host_key(cli: Docker, name: str) -> None:
    before = listens(cli)
    cli("exec", "ssh-server", "sh", "-c", f"cp /keys/{name} /keys/current && kill -HUP 1")
    eventually(lambda: listens(cli) > before, "sshd listens again")
