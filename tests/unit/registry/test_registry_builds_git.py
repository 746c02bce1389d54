"""Private repositories of automated builds: what git is told, what it says, what is archived, which settings fit."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pier.errors import InvalidArgument, PierError, Unavailable
from pier.oci.ignore import Matcher
from pier.registry.builds import choosing
from pier.registry.builds.archive import pieces
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.gitconfig import config, environment, fetched_here
from pier.registry.builds.gitsaid import failure, hidden, not_given
from pier.registry.builds.ignored import ignored
from pier.registry.builds.lfs import server
from pier.registry.builds.tokens import readable
from pier.registry.settings import Base, Build, Settings

HTTPS = {"repository": "https://git.example.com:8443/me/app.git"}
SSH = {"repository": "git@git.example.com:me/app.git"}
PASSWORD = {"git_username": "me", "git_password": "hunter2"}
ENGINE = {"engine_key_file": "/keys/engine", "engine_known_hosts_file": "/keys/known"}
KEY = {"git_key_file": "/keys/a b", "git_known_hosts_file": "/keys/known hosts"}


def build(**changes: Any) -> Build:
    said = {"name": "app", "image": "team/app", "secret": "s", "branch": "main", **HTTPS}
    return Build(**(said | changes))


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("https://h/me/app.git", "https://h/me/app.git/info/lfs"),
        ("http://h/me/app/", "http://h/me/app.git/info/lfs"),
        ("git@h:me/app.git", "git@h:me/app.git"),
    ],
)
def test_where_large_files_are(repository: str, expected: str) -> None:
    assert server(repository) == expected


def test_who_fetches() -> None:
    assert not fetched_here(build()) and not fetched_here(build(**SSH))
    assert fetched_here(build(git_lfs=True))
    assert (
        fetched_here(build(**PASSWORD)) and fetched_here(build(git_password_file="/x")) and fetched_here(build(**KEY))
    )


def test_the_password_is_in_the_environment_alone() -> None:
    rule = build(**PASSWORD, git_ca_file="/ca.pem")
    host = {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy",
        "GIT_SSL_CAPATH": "/cas",
        "GIT_TRACE_CURL": "1",
        "HOME": "/me",
    }
    made = environment(rule, host, "/place", ("me", "hunter2"))
    assert [name for name, value in made.items() if "hunter2" in value] == ["PIER_GIT_PASSWORD"]
    assert "hunter2" not in config(rule)
    assert '[credential "https://git.example.com:8443"]' in config(rule)
    assert (made["GIT_SSL_CAINFO"], made["https_proxy"], made["PATH"]) == ("/ca.pem", "http://proxy", "/bin")
    assert not {"GIT_SSL_CAPATH", "GIT_TRACE_CURL"} & made.keys() and made["HOME"] == "/nonexistent"
    assert "PIER_GIT_PASSWORD" not in environment(build(**SSH, **KEY), host, "/place", ("", ""))


def test_ssh_knows_one_key_and_trusts_one_file() -> None:
    command = environment(build(**SSH, **KEY), {}, "/place", ("", ""))["GIT_SSH_COMMAND"]
    for word in ("StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "-F /dev/null", "-i '/keys/a b'"):
        assert word in command
    assert "'UserKnownHostsFile=\"/keys/known hosts\"'" in command
    assert "IdentityFile=none" in environment(build(**PASSWORD), {}, "/place", ("", ""))["GIT_SSH_COMMAND"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"git_username": "me"}, "git_username goes with a git_password"),
        ({"git_password": "hunter2"}, "git_username goes with a git_password"),
        (PASSWORD | {"git_password_file": "/x"}, "git_password and git_password_file exclude each other"),
        (PASSWORD | {"git_password": "hunter2\n"}, "git_password has to be one line"),
        (PASSWORD | {"repository": "http://host/x.git"}, "for a repository of https://"),
        (PASSWORD | SSH, "for a repository of https://"),
        (SSH | {"git_key_file": "/k"}, "git_key_file and git_known_hosts_file go together"),
        (SSH | {"git_known_hosts_file": "/k"}, "git_key_file and git_known_hosts_file go together"),
        (KEY, "git_key_file is for a repository of ssh://"),
        ({"git_key_passphrase_file": "/k"}, "git_key_passphrase_file goes with a git_key_file"),
        (SSH | KEY | {"git_key_file": "keys/a"}, "git_key_file has to be an absolute path"),
        (SSH | KEY | {"git_key_file": "/keys/%h"}, "git_key_file has to be an absolute path"),
        ({"git_ca_file": "/ca.pem"}, "git_ca_file goes with git_username"),
        ({"engine": "ssh://me@host"}, "an engine of ssh:// needs an engine_key_file"),
        ({"engine": "ssh://me@host", "engine_key_file": "/k"}, "and an engine_known_hosts_file"),
        (
            ENGINE | {"engine": "ssh://-oProxyCommand=x"},
            "an engine is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST",
        ),
        (ENGINE | {"engine": "ssh://me:word@host"}, "an engine is unix:///PATH"),
        (ENGINE | {"engine": "ssh://host", "engine_key_file": "k"}, "has to be an absolute path"),
        (ENGINE, "are for an engine of ssh://"),
        ({"engine": "https://host:2376"}, "tcp://HOST:2376, with engine_certs"),
        ({"engine": "docker.sock"}, "an engine is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST: docker.sock"),
        ({"engine": "tcp://host:x"}, "an engine is unix:///PATH, tcp://HOST:PORT"),
        ({"engine_certs": "/certs"}, "engine_certs is for an engine of tcp://"),
        ({"engine": "tcp://host:1", "engine_certs": "certs"}, "engine_certs has to be an absolute path"),
        ({"bases": (Base(registry="ghcr.io", username="me"),)}, "ghcr.io in bases needs a password"),
        ({"bases": (Base(registry="a.io", username="me", password="x"),) * 2}, "it names a registry twice in bases"),
        ({"reads": ("Team/*",)}, "invalid repository name"),
        ({"git_lfs": True, "repository": "git://host/x.git"}, "git:// knows nothing of it"),
    ],
)
def test_what_makes_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        choosing.check(Settings(build=(build(**changes),)))
    assert message in caught.value.message and "hunter2" not in caught.value.message


def test_what_makes_sense() -> None:
    sound: list[dict[str, Any]] = [
        {**PASSWORD, "git_ca_file": "/ca.pem"},
        {**SSH, **KEY},
        {**SSH, **KEY, "git_key_passphrase_file": "/passphrase"},
        {**KEY, "repository": "ssh://git@host:22/me/app.git"},
        {"engine": "tcp://[::1]:2376", "engine_certs": "/certs"},
        {"engine": "http://host"},
        {**ENGINE, "engine": "ssh://host"},
        {**ENGINE, "engine": "ssh://me@[::1]:2222/run/pier.sock"},
        {**PASSWORD, "repository": "https://dev.example.com/me/_git/app"},
        {"git_lfs": True, "git_ca_file": "/ca.pem"},
        {"reads": ("*", "team/*", "shared/base"), "bases": (Base(registry="host:5000", username="me", password="x"),)},
    ]
    for changes in sound:
        choosing.check(Settings(build=(build(**changes),)))


def test_what_a_build_may_begin_from() -> None:
    assert readable(build()) == ("team", "team/*")
    assert readable(build(image="app")) == ("app", "app/*")
    assert readable(build(reads=("ops/*",))) == ("ops/*",)


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        ("git: 1: git: not found", BuildFailed, 'install the package "git"'),
        (
            "fatal: could not read Username for 'https://h': terminal prompts disabled",
            BuildFailed,
            "the server refuses",
        ),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", BuildFailed, "refuses"),
        (
            "fatal: unable to access 'https://h/': The requested URL returned error: 503",
            Unavailable,
            "cannot be fetched",
        ),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", Unavailable, "Could not resolve host"),
        ("fatal: unable to access 'https://h/': OpenSSL SSL_read: Connection reset by peer", Unavailable, "reset"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: expired", BuildFailed, "git_ca_file"),
        (
            "remote: Repository not found.\nfatal: repository 'https://h/x/' not found",
            BuildFailed,
            "no such repository",
        ),
        ("ssh: connect to host h port 22: Connection refused\nfatal: Could not read", Unavailable, "port 22"),
        ("git@h: Permission denied (publickey).", BuildFailed, "deploy key"),
        ("Host key verification failed.", BuildFailed, "is not in git_known_hosts_file"),
        ("fatal: unable to access 'https://h/': OpenSSL SSL_connect: SSL_ERROR_SYSCALL", Unavailable, "cannot be"),
        ("remote: ERROR: The project you were looking for could not be found", BuildFailed, "no such repository"),
        ("git: 'lfs' is not a git command. See 'git --help'.", BuildFailed, 'install the package "git-lfs"'),
        (
            "[767] Object does not exist: [404] Object does not exist",
            BuildFailed,
            "does not give what the commit names",
        ),
        ("batch response: Authorization error: https://h/x\nCheck that you have", BuildFailed, "refuses"),
        ("batch response: Rate limit exceeded: https://h/x\nFailed to fetch", Unavailable, "Rate limit exceeded"),
        ("batch response: Fatal error: Server error x from HTTP 503\n\nErrors", Unavailable, "cannot be fetched"),
        ('batch response: Post "https://h/x": EOF\nFailed to fetch some', Unavailable, "EOF"),
        ("something new", BuildFailed, "cannot be fetched: something new"),
        ("", BuildFailed, "git says nothing"),
    ],
)
def test_what_git_says(said: str, kind: type[PierError], expected: str) -> None:
    found = failure(build(), said)
    assert type(found) is kind and expected in found.message, found.message


def test_secrets_in_what_git_says() -> None:
    assert hidden("fatal: word is wrong: word", "word") == "fatal: *** is wrong: ***"
    assert hidden("fatal", "") == "fatal"
    assert not_given("fatal: remote error: upload-pack: not our ref abc") and not not_given(
        "fatal: Authentication failed"
    )


def test_an_archive_is_made_of_the_commit_alone(tmp_path: Path) -> None:
    for umask in (0o027, 0o002):
        place = tmp_path / f"{umask}"
        before = os.umask(umask)
        try:
            (place / "a" / ".git").mkdir(parents=True)
            (place / ".git").write_text("gitdir: elsewhere")
            (place / "a" / ".git" / "config").write_text("secret")
            (place / "a" / ("long" * 60)).write_text("x" * 1000)
            (place / "big").write_bytes(bytes(range(256)) * 8192)
            (place / "run").touch(0o777)
            (place / "link").symlink_to("../" * 9 + "etc/passwd")
            (place / "\udcff\u00e9").touch()
        finally:
            os.umask(before)
    one, two = (b"".join(pieces(tmp_path / name, 981158400, Matcher(()))) for name in (f"{0o027}", f"{0o002}"))
    assert one == two and b"secret" not in one and len(one) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(one), errors="surrogateescape") as tar:
        found = {info.name: info for info in tar}
        assert set(found) == {"a", "a/" + "long" * 60, "big", "run", "link", "\udcff\u00e9"}
        assert [found[name].mode for name in ("a", "big", "run")] == [0o755, 0o644, 0o755]
        assert {info.mtime for info in found.values()} == {981158400}
        big = tar.extractfile("big")
        assert big is not None and big.read() == bytes(range(256)) * 8192
        assert found["link"].linkname == "../" * 9 + "etc/passwd"


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({}, {"Dockerfile", "a", "a/b", "a/c", "a/c/d", "e"}),
        ({".dockerignore": "a\n"}, {".dockerignore", "Dockerfile", "e"}),
        ({".dockerignore": "a\n!a/c/d\n"}, {".dockerignore", "Dockerfile", "a", "a/c", "a/c/d", "e"}),
        ({".dockerignore": "*\n!e\n"}, {".dockerignore", "Dockerfile", "e"}),
        ({".dockerignore": "*", "Dockerfile.dockerignore": "a"}, {"Dockerfile.dockerignore", ".dockerignore", "e"}),
    ],
)
def test_what_is_left_out(lists: dict[str, str], expected: set[str], tmp_path: Path) -> None:
    (tmp_path / "a" / "c").mkdir(parents=True)
    for name in ("Dockerfile", "a/b", "a/c/d", "e"):
        (tmp_path / name).touch()
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    made = b"".join(pieces(tmp_path, 0, ignored(tmp_path, "Dockerfile")))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        names = tar.getnames()
    assert set(names) == expected | {"Dockerfile"} and len(names) == len(set(names))


def test_a_list_that_is_none(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").symlink_to("/etc/passwd")
    assert not ignored(tmp_path, "Dockerfile")
    (tmp_path / "Dockerfile.dockerignore").write_text("a[")
    with pytest.raises(BuildFailed, match=r"^Dockerfile\.dockerignore: "):
        ignored(tmp_path, "Dockerfile")
