"""``login`` and ``logout``: both clients, real registries, a real credential helper, and where passwords may not be."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from pier.testing.engine import running_engine
from pier.testing.registry import PASSWORD, USER, Distribution, distribution
from pier.testing.tokens import TokenServer, token_server
from tests.compat.conftest import Engine
from tests.compat.docker_cli import Docker, eventually
from tests.compat.pier_cli import ANY_CODE, Pier, Said, said

HELPER = Path(__file__).with_name("credentialhelper.py")
IN_CLEAR = "WARNING! Your credentials are stored unencrypted in"
HUB = "https://index.docker.io/v1/"


class Client:
    """A client with a settings folder of its own and the credential helper ``test``."""

    def __init__(self, make: Callable[[Path], Docker], folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config" / "config.json"
        self.helper = folder / "helper"
        for each in (self.file.parent, self.helper):
            each.mkdir(parents=True)
        shutil.copy(HELPER, self.helper / "docker-credential-test")
        self.env = {"PATH": f"{self.helper}:{os.environ['PATH']}", "CREDENTIAL_HELPER": str(self.helper)}
        self.run = make(self.file.parent)

    def __call__(self, *args: str, stdin: bytes | None = None) -> Said:
        """What it says; its own folder is written as FOLDER."""
        told = said(self.run(*args, code=ANY_CODE, stdin=stdin, env=self.env))
        out, err = (text.replace(str(self.folder), "FOLDER") for text in (told.out, told.err))
        return Said(told.code, out, err.replace("[Username: docker]", f"[Username: {USER}]"))

    def login(self, host: str, password: str = PASSWORD, user: str = USER) -> Said:
        return self("login", "-u", user, "--password-stdin", host, stdin=password.encode())

    def settings(self) -> Any:
        return json.loads(self.file.read_text())

    def write(self, **settings: Any) -> None:
        self.file.write_text(json.dumps(settings))

    def kept(self) -> dict[str, Any]:
        found = [json.loads(path.read_text()) for path in self.helper.glob("server-*")]
        return {each["ServerURL"]: each for each in found}


@pytest.fixture
def docker(engine: Engine, cli: Docker, tmp_path: Path) -> Client:
    return Client(lambda folder: Docker("docker", engine.host, folder, cli.label), tmp_path / "theirs")


@pytest.fixture
def pier(engine: Engine, cli: Docker, tmp_path: Path) -> Client:
    return Client(lambda folder: Pier(engine.host, folder, cli.label), tmp_path / "ours")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path, htpasswd=True) as running:
        yield running


@pytest.fixture
async def tokens(tmp_path: Path) -> AsyncIterator[tuple[TokenServer, Distribution]]:
    async with token_server(tmp_path, {USER: PASSWORD}) as server, distribution(tmp_path, tokens=server) as running:
        yield server, running


def same(docker: Client, pier: Client, *args: str, stdin: bytes | None = None) -> Said:
    theirs, ours = docker(*args, stdin=stdin), pier(*args, stdin=stdin)
    assert ours == theirs
    return ours


def test_into_the_file(docker: Client, pier: Client, registry: Distribution) -> None:
    login = ("login", "-u", USER, "--password-stdin", registry.host)
    assert same(docker, pier, *login, stdin=b"wrong").code == 1
    assert not pier.file.exists()
    assert IN_CLEAR in same(docker, pier, *login, stdin=PASSWORD.encode()).err
    assert same(docker, pier, *login, stdin=PASSWORD.encode()).err == "", "it is there already"
    assert "existing credentials... [Username" in same(docker, pier, "login", registry.host).err
    assert pier.file.read_bytes() == docker.file.read_bytes()
    assert pier.file.stat().st_mode & 0o777 == 0o600
    for server in (f"https://{registry.host}/v2/", f"http://{registry.host}"):
        assert same(docker, pier, *login[:-1], server, stdin=PASSWORD.encode()).code == 0
    assert same(docker, pier, "logout", f"https://{registry.host}").code == 0
    assert same(docker, pier, "logout", registry.host).code == 0
    assert pier.file.read_bytes() == docker.file.read_bytes()


@pytest.mark.parametrize(
    "args",
    [
        ("-u", USER, "-p", "x", "--password-stdin", "r"),
        ("--password-stdin", "r"),
        ("-u", USER, "-p", "", "r"),
        ("-u", "", "-p", "x", "r"),
        ("-u", USER, "r"),
        ("-p", "x", "r"),
        ("r",),
        ("-u", USER, "--password-stdin", "127.0.0.1:9"),
    ],
    ids=" ".join,
)
def test_wrong_flags(args: tuple[str, ...], docker: Client, pier: Client) -> None:
    assert same(docker, pier, "login", *args, stdin=b"x" if "127.0.0.1:9" in args else None).code == 1


def test_a_password_that_is_no_text(pier: Client, registry: Distribution) -> None:
    told = pier("login", "-u", USER, "--password-stdin", registry.host, stdin=b"se\xff\n")
    assert told == Said(1, "", "the password on standard input is not UTF-8 text\n")


def test_a_file_that_cannot_be_written(pier: Client, registry: Distribution) -> None:
    """A file in its folder's place: root may write everywhere."""
    pier.file.parent.rmdir()
    pier.file.parent.write_text("")
    told = pier.login(registry.host)
    assert told == Said(1, "", "Error saving credentials: write FOLDER/config/config.json: file exists\n")


def test_a_file_that_is_broken(pier: Client, registry: Distribution) -> None:
    """It is the user's: nothing is written over it, as Docker's client does."""
    pier.file.write_text('{"auths": {')
    for words in (("pull", f"{registry.host}/x:1"), ("logout", registry.host)):
        assert pier(*words).err.startswith("loading config file: FOLDER/config/config.json: Expecting property name")
    assert pier.login(registry.host).code == 1
    assert pier.file.read_text() == '{"auths": {'


def test_a_password_among_the_flags(docker: Client, pier: Client, registry: Distribution) -> None:
    told = same(docker, pier, "login", "-u", USER, "-p", PASSWORD, registry.host)
    assert "Using --password via the CLI is insecure" in told.err and IN_CLEAR in told.err


def test_logging_out_of_the_hub(docker: Client, pier: Client) -> None:
    pier.write(auths={HUB: {"auth": "eDp5"}})
    docker.write(auths={HUB: {"auth": "eDp5"}})
    assert HUB in same(docker, pier, "logout").out
    assert pier.settings() == docker.settings() == {"auths": {}}


async def test_identity_tokens(docker: Client, pier: Client, tokens: tuple[TokenServer, Distribution]) -> None:
    server, registry = tokens

    def use() -> None:
        login = ("login", "-u", USER, "--password-stdin", registry.host)
        assert "incorrect username or password" in same(docker, pier, *login, stdin=b"wrong").err
        assert same(docker, pier, *login, stdin=PASSWORD.encode()).err == ""
        assert pier.file.read_bytes() == docker.file.read_bytes()
        assert "identitytoken" in pier.settings()["auths"][registry.host]
        server.asked.clear()
        assert "manifest unknown" in same(docker, pier, "pull", f"{registry.host}/gone:1").err
        assert {method for method, _ in server.asked} == {"POST"}, "a refresh token is shown, not the password"

    await asyncio.to_thread(use)


def test_a_store(docker: Client, pier: Client, registry: Distribution) -> None:
    for each in (docker, pier):
        each.write(credsStore="test")
    login = ("login", "-u", USER, "--password-stdin", registry.host)
    assert same(docker, pier, *login, stdin=PASSWORD.encode()) == Said(0, "Login Succeeded\n", "")
    assert pier.settings() == docker.settings() == {"auths": {registry.host: {}}, "credsStore": "test"}
    assert pier.kept() == docker.kept()
    assert "manifest unknown" in same(docker, pier, "pull", f"{registry.host}/gone:1").err
    assert same(docker, pier, "login", registry.host).code == 0
    assert same(docker, pier, "logout", registry.host).code == 0
    assert pier.settings() == docker.settings()
    assert pier.kept() == docker.kept() == {}


async def test_a_helper_keeps_tokens(docker: Client, pier: Client, tokens: tuple[TokenServer, Distribution]) -> None:
    host = tokens[1].host

    def use() -> None:
        for each in (docker, pier):
            each.write(credHelpers={host: "test"})
            assert each.login(host).code == 0
        assert pier.kept() == docker.kept()
        assert pier.kept()[host]["Username"] == "<token>"
        assert "manifest unknown" in same(docker, pier, "pull", f"{host}/gone:1").err

    await asyncio.to_thread(use)


@pytest.mark.parametrize("behave", ["fail", "silent"])
def test_a_store_that_fails(behave: str, docker: Client, pier: Client, registry: Distribution) -> None:
    for each in (docker, pier):
        each.write(credsStore="test")
        (each.helper / "behave").write_text(behave)
    told = same(docker, pier, "login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD.encode())
    assert told.err.startswith("Error saving credentials: error storing credentials - err: exit status")
    ours = pier("pull", f"{registry.host}/x:1")
    assert ours.err.startswith("WARNING: error getting credentials") and "no basic auth credentials" in ours.err
    ours = pier("logout", registry.host)
    assert ours.code == 1 and "could not erase credentials" in ours.err


def test_a_store_that_is_not_there(docker: Client, pier: Client, registry: Distribution) -> None:
    for each in (docker, pier):
        each.write(credsStore="nowhere")
    told = same(docker, pier, "login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD.encode())
    assert 'exec: "docker-credential-nowhere": executable file not found in $PATH' in told.err


def test_logins_at_once_lose_nothing(pier: Client, registry: Distribution) -> None:
    hosts = [f"{name}:{registry.host.rpartition(':')[2]}" for name in ("127.0.0.1", "localhost")]
    begun = [pier.run.spawn("login", "-u", USER, "--password-stdin", host) for host in hosts for _ in range(3)]
    for child in begun:
        assert child.stdin
        child.stdin.write(PASSWORD.encode())
        child.stdin.close()
    assert [child.wait() for child in begun] == [0] * 6
    for child in begun:
        assert child.stdout and child.stderr
        child.stdout.close()
        child.stderr.close()
    assert sorted(pier.settings()["auths"]) == sorted(hosts)


def test_asking(pier: Client, registry: Distribution) -> None:
    with pier.run.terminal("login", registry.host) as terminal:
        terminal.expect("Username: ")
        terminal.type(f"{USER}\n")
        terminal.expect("Password: ")
        terminal.type(f"{PASSWORD}\n")
        terminal.expect("Login Succeeded")
        assert PASSWORD not in terminal.seen
        assert terminal.ended() == 0
    pier.write(auths={registry.host: {"auth": "cGllcjp3cm9uZw=="}})
    with pier.run.terminal("login", registry.host) as terminal:
        terminal.expect(r"Login did not succeed, error: .*401 Unauthorized")
        terminal.expect(r"Username \(pier\): ")
        terminal.type("\n")
        terminal.expect("Password: ")
        terminal.type("\n")
        terminal.expect("Error: Password Required")
        assert terminal.ended() == 1


def processes() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found.append((path / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_a_password_is_nowhere(pier: Client, registry: Distribution) -> None:
    """Not among processes, also while a helper runs; not in what is said, with --debug too."""
    secret = "s3cr3t-of-nobody-else"
    told = pier("-D", "login", "-u", USER, "--password-stdin", registry.host, stdin=secret.encode())
    assert told.code and secret not in told.out + told.err
    for each in ("echo", "garbage"):
        pier.write(credsStore="test")
        (pier.helper / "behave").write_text(each)
        told = pier("-D", "login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD.encode())
        assert PASSWORD not in told.out + told.err
    (pier.helper / "behave").write_text("hang")
    env = {**os.environ, **pier.env, "DOCKER_CONFIG": str(pier.file.parent)}
    argv = pier.run.argv("login", "-u", USER, "--password-stdin", registry.host)
    with subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE) as child:
        (pier.helper / "calls").unlink()
        assert child.stdin
        child.stdin.write(PASSWORD.encode())
        child.stdin.close()
        child.stdin = None
        eventually((pier.helper / "calls").exists, "the helper was called")
        assert "docker-credential-test" in processes() and PASSWORD not in processes()
        child.send_signal(2)
        out, err = child.communicate()
    assert child.returncode == 130 and PASSWORD.encode() not in out + err
    eventually(lambda: "docker-credential-test" not in processes(), "the helper has ended")


def test_the_daemon_logs_no_password(cli: Docker, tmp_path: Path, registry: Distribution) -> None:
    home = tmp_path / "engine"
    home.mkdir()
    with running_engine(home, ("--debug",)) as daemon:
        pier = Client(lambda folder: Pier(daemon.host, folder, cli.label), tmp_path / "own")
        assert pier.login(registry.host).code == 0
        assert pier.login(registry.host, "s3cr3t-of-nobody-else").code == 1
        assert "manifest unknown" in pier("pull", f"{registry.host}/gone:1").err
        assert "no such manifest" in pier("manifest", "inspect", f"{registry.host}/gone:1").err
        written = daemon.log.read_text()
    assert "level=debug" in written
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for secret in (PASSWORD, encoded, "s3cr3t-of-nobody-else"):
        assert secret not in written
