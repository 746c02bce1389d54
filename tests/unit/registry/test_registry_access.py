"""Roles, scopes, tokens, users' files and limits: decisions about who may do what, over plain values."""

import base64
import json
import time
from typing import Any

import bcrypt
import jwt
import pytest

from pier.errors import InvalidArgument
from pier.registry.access import htpasswd, passwords, scopes
from pier.registry.access.limits import Buckets, Limits, house_of
from pier.registry.access.policy import Rights
from pier.registry.access.scopes import Grant
from pier.registry.access.tokens import Tokens
from pier.registry.principal import Action, Need
from pier.registry.refusals import Code, Refusal
from pier.registry.settings import Settings

KEY = b"k" * 64
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize(
    ("roles", "repository", "actions"),
    [
        ({}, "team/site", ""),
        ({"team": "reader"}, "team/site", "pull"),
        ({"team": "reader"}, "team", "pull"),
        ({"team": "reader"}, "teams/site", ""),
        ({"team": "reader"}, "other/team", ""),
        ({"team": "writer"}, "team/a/b/c", "pull push"),
        ({"team": "admin"}, "team/site", "pull push delete"),
        ({"team/site": "writer"}, "team/site", "pull push"),
        ({"team/site": "writer"}, "team/site2", ""),
        ({"team/*": "writer"}, "team/a/b", "pull push"),
        ({"*": "reader"}, "anything/at/all", "pull"),
        ({"*": "reader", "team": "admin"}, "team/site", "pull push delete"),
        ({"*": "admin", "team": "reader"}, "team/site", "pull push delete"),
    ],
)
def test_roles(roles: Any, repository: str, actions: str) -> None:
    rights = Rights("ann", roles=roles)
    kinds: tuple[Action, ...] = ("pull", "push", "delete")
    assert " ".join(kind for kind in kinds if rights.allows(kind, repository)) == actions


def test_nobody_and_administrators() -> None:
    assert not Rights().allows("ping", "")
    assert Rights("ann").allows("catalog", "")
    assert Rights("ann", admin=True).allows("delete", "team/site")


def test_who_leads_a_project() -> None:
    assert Rights("ann", roles={"team": "admin"}).leads("team")
    assert Rights("ann", roles={"*": "admin"}).leads("team")
    assert not Rights("ann", roles={"team/site": "admin"}).leads("team")
    assert not Rights("ann", roles={"team": "writer"}).leads("team")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["repository:team/site:pull,push"], [("repository", "team/site", "pull push")]),
        (["repository(plugin):team/site:pull"], [("repository", "team/site", "pull")]),
        (["repository:a:pull repository:b:push"], [("repository", "a", "pull"), ("repository", "b", "push")]),
        (["repository:a:pull", "repository:a:push,pull"], [("repository", "a", "pull push")]),
        (["repository:a:*"], [("repository", "a", "pull push delete")]),
        (["registry:catalog:*"], [("registry", "catalog", "*")]),
        (["registry:secrets:*", "repository:../x:pull", "repository:A:pull", "repository:a", "", "x:y:z"], []),
    ],
)
def test_scopes(texts: list[str], expected: list[tuple[str, str, str]]) -> None:
    assert [(each.type, each.name, " ".join(each.actions)) for each in scopes.parse(texts)] == expected


def test_what_scopes_cover() -> None:
    grants = [Grant("repository", "team/site", ("pull",))]
    assert scopes.covers(grants, "pull", "team/site")
    assert scopes.covers([], "ping", "")
    for action, repository in (("push", "team/site"), ("pull", "team/other"), ("catalog", "")):
        assert not scopes.covers(grants, action, repository)  # type: ignore[arg-type]  # of a tuple of strings


def test_what_a_challenge_asks_for() -> None:
    assert scopes.wanted([Need("ping")]) == ""
    assert scopes.wanted([Need("push", "a"), Need("pull", "b")]) == "repository:a:pull,push repository:b:pull"
    assert scopes.wanted([Need("catalog")]) == "registry:catalog:*"


def test_a_token_says_what_it_was_told() -> None:
    tokens = Tokens(KEY, "here")
    grants = (Grant("repository", "a", ("pull",)),)
    read = tokens.read_access(tokens.access("ann", "mark", grants, 60))
    assert (read.name, read.mark, read.grants) == ("ann", "mark", grants)
    assert tokens.read_refresh(tokens.refresh("ann", "mark", 60)).name == "ann"
    assert tokens.mark("ann", "hash") != tokens.mark("ann", "other hash")


def _forged(key: Any = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": "pier-registry", "aud": "here", "sub": "ann", "mark": "", "exp": now + 60, "nbf": now, "iat": now}
    return jwt.encode({name: value for name, value in {**claims, **changes}.items() if value != ""}, key, algorithm)


def _unsigned() -> str:
    body = _forged().split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return f"{head}.{body}."


def test_the_forger_would_be_believed_with_the_key() -> None:
    assert Tokens(KEY, "here").read_access(_forged()).name == "ann"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "a.b.c",
        "a" * 100_000,
        _unsigned(),
        _forged(b"x" * 64),
        _forged(algorithm="HS512"),
        _forged(aud="there"),
        _forged(aud="here#refresh"),
        _forged(iss="somebody else"),
        _forged(exp=int(time.time()) - 3600),
        _forged(nbf=int(time.time()) + 3600),
        _forged(exp=""),
        _forged(sub=""),
        _forged(aud=""),
        _forged(access="repository:a:pull"),
        _forged(access=[{"type": "repository"}]),
        _forged() + "x",
    ],
)
def test_tokens_that_are_no_good(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        Tokens(KEY, "here").read_access(text)
    assert caught.value.code is Code.UNAUTHORIZED


def test_a_refresh_token_is_no_access_token() -> None:
    tokens = Tokens(KEY, "here")
    with pytest.raises(Refusal):
        tokens.read_access(tokens.refresh("ann", "", 60))
    with pytest.raises(Refusal):
        tokens.read_refresh(tokens.access("ann", "", (), 60))


def test_a_file_of_users() -> None:
    assert htpasswd.parse(f"# people\n\nann:{HASH}\nbob:{HASH}\n", "f") == {"ann": HASH, "bob": HASH}


@pytest.mark.parametrize("line", ["ann", "ann:", "ann:secret", "ann:$apr1$abc$def", "ann:{SHA}5en6G", f":{HASH}"])
def test_files_of_other_formats_are_refused_without_their_secrets(line: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        htpasswd.parse(f"bob:{HASH}\n{line}\n", "users")
    assert caught.value.message == "users, line 2: expected NAME:HASH with a bcrypt hash (htpasswd -B)"


@pytest.mark.parametrize("password", ["", "a\0b", "x" * 73, "ü" * 37])
def test_passwords_that_bcrypt_could_not_tell_apart(password: str) -> None:
    with pytest.raises(InvalidArgument, match="a password has 1 to 72 bytes"):
        passwords.hash_password(password)


async def test_passwords_are_checked_once() -> None:
    checker = passwords.Passwords()
    assert not checker.known("ann", "secret", HASH)
    assert await checker.right("ann", "secret", HASH)
    assert checker.known("ann", "secret", HASH)
    assert not checker.known("bob", "secret", HASH)
    for name, password, secret in (("ann", "Secret", HASH), ("ann", "secret" + "x" * 80, HASH), ("eve", "secret", "")):
        assert not await checker.right(name, password, secret)
        assert not checker.known(name, password, secret)
    await checker.stop()


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_buckets() -> None:
    clock = _Clock()
    buckets = Buckets(2, 3, clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    clock.now += 0.5
    assert (buckets.take("a"), buckets.take("a")) == (0, 0.5)
    buckets.give_back("a")
    assert buckets.take("a") == 0
    assert [Buckets(0, 1).take("a") for _ in range(3)] == [0, 0, 0]


def test_wrong_passwords_are_counted_and_right_ones_are_not() -> None:
    clock = _Clock()
    limits = Limits(Settings(failed_logins=3), clock)
    for _ in range(10):
        limits.login("1.2.3.4", "ann")
        limits.right("1.2.3.4", "ann")
    for _ in range(3):
        limits.login("1.2.3.4", "ann")
    with pytest.raises(Refusal) as caught:
        limits.login("1.2.3.4", "bob")
    assert (caught.value.code, caught.value.headers) == (Code.TOOMANYREQUESTS, {"Retry-After": "20"})
    limits.login("5.6.7.8", "ann")
    clock.now += 20
    limits.login("1.2.3.4", "bob")


def test_an_ipv6_house_is_one() -> None:
    assert house_of("2001:db8::1") == house_of("2001:db8::ffff:1") != house_of("2001:db8:0:1::1")
    assert house_of("::ffff:10.0.0.1") == house_of("10.0.0.1") == "10.0.0.1"
    assert house_of("") == ""


def test_a_name_is_guarded_against_many_addresses() -> None:
    limits = Limits(Settings(failed_logins=2), _Clock())
    for number in range(20):
        limits.login(f"10.0.0.{number}", "ann")
    with pytest.raises(Refusal):
        limits.login("10.0.0.99", "ann")
    limits.login("10.0.0.99", "bob")
