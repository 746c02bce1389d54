"""Webhooks of Git services: who may call, what they say, what is built then, and what it is called."""

import json
from typing import Any

import pytest

from pier.errors import Forbidden, InvalidArgument, Unauthorized
from pier.registry.builds import choosing
from pier.registry.builds.engine import say_line
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.payload import Nothing, Push, push, read
from pier.registry.builds.runlog import RunLog
from pier.registry.builds.signature import check_signature, check_token
from pier.registry.settings import Build, Settings

SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
OTHER = "1234567890123456789012345678901234567890"
ZEROS = "0" * 40

# GitHub's own example of its documentation
SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
HEX = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.mark.parametrize(
    ("headers", "body", "secret"),
    [
        ({"X-Hub-Signature-256": f"sha256={HEX}"}, BODY, SECRET),
        ({"X-Gitea-Signature": HEX}, BODY, SECRET),
        ({"X-Gitea-Signature": HEX, "X-Hub-Signature-256": f"sha256={HEX}"}, BODY, SECRET),
        ({"X-Gitlab-Token": SECRET}, b"whatever", SECRET),
        ({"X-Gitlab-Token": "gehe\u00efm"}, b"", "gehe\u00efm"),
    ],
)
def test_who_has_the_secret(headers: dict[str, str], body: bytes, secret: str) -> None:
    if not check_token(headers, secret):
        check_signature(headers, body, secret)


@pytest.mark.parametrize(
    ("headers", "body", "secret", "error"),
    [
        ({}, BODY, SECRET, Unauthorized),
        ({"X-Hub-Signature": "sha1=01"}, BODY, SECRET, Unauthorized),
        ({"X-Hub-Signature-256": f"sha256={HEX}"}, BODY + b" ", SECRET, Forbidden),
        ({"X-Hub-Signature-256": f"sha256={HEX}"}, BODY, SECRET + " ", Forbidden),
        ({"X-Hub-Signature-256": HEX}, BODY, SECRET, Forbidden),
        ({"X-Hub-Signature-256": f"sha256={HEX.upper()}"}, BODY, SECRET, Forbidden),
        ({"X-Hub-Signature-256": f"sha1={HEX}"}, BODY, SECRET, Forbidden),
        ({"X-Hub-Signature-256": f"sha256={HEX[:-1]}"}, BODY, SECRET, Forbidden),
        ({"X-Hub-Signature-256": ""}, BODY, SECRET, Forbidden),
        ({"X-Hub-Signature-256": "\udcff"}, BODY, SECRET, Forbidden),
        ({"X-Gitea-Signature": f"sha256={HEX}"}, BODY, SECRET, Forbidden),
        ({"X-Gitea-Signature": HEX, "X-Hub-Signature-256": "sha256=0"}, BODY, SECRET, Forbidden),
        ({"X-Gitlab-Token": SECRET[:-1]}, BODY, SECRET, Forbidden),
        ({"X-Gitlab-Token": ""}, BODY, SECRET, Forbidden),
        ({"X-Gitlab-Token": SECRET, "X-Hub-Signature-256": "sha256=0"}, BODY, SECRET, Forbidden),
    ],
)
def test_who_has_not(headers: dict[str, str], body: bytes, secret: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        if not check_token(headers, secret):
            check_signature(headers, body, secret)
    assert secret not in str(caught.value) and HEX not in str(caught.value)


HUB = {"X-GitHub-Event": "push", "Content-Type": "application/json"}
LAB = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "x", "X-Gitlab-Event-UUID": "13792a34-cac6"}


def hub(**changes: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "before": OTHER,
        "after": SHA,
        "deleted": False,
        "head_commit": {"id": SHA},
    } | changes


def lab(**changes: Any) -> dict[str, Any]:
    said = {"object_kind": "push", "before": OTHER, "after": SHA, "ref": "refs/heads/main", "checkout_sha": SHA}
    return said | changes


@pytest.mark.parametrize(
    ("headers", "said", "expected"),
    [
        (HUB, hub(), Push("refs/heads/main", SHA)),
        (HUB, hub(ref="refs/heads/a/b"), Push("refs/heads/a/b", SHA)),
        (HUB, hub(ref="refs/tags/v1", after=OTHER), Push("refs/tags/v1", SHA)),
        (HUB, hub(head_commit=None), Push("refs/heads/main", SHA)),
        (HUB, hub(after=ZEROS, deleted=True, head_commit=None), None),
        (HUB, hub(ref="refs/notes/x"), None),
        (HUB | {"X-GitHub-Event": "ping"}, {"zen": "Keep it logically awesome.", "hook_id": 1}, None),
        (HUB | {"X-GitHub-Event": "issues"}, hub(), None),
        ({"X-Gitea-Event": "push"}, hub(head_commit={"id": SHA, "message": "x"}), Push("refs/heads/main", SHA)),
        (LAB, lab(), Push("refs/heads/main", SHA)),
        (LAB, lab(object_kind="tag_push", ref="refs/tags/v1", after=OTHER), Push("refs/tags/v1", SHA)),
        (LAB, lab(after=ZEROS, checkout_sha=None), None),
        (LAB, lab(object_kind="tag_push", ref="refs/tags/v1", after=ZEROS, checkout_sha=None), None),
        (LAB, lab(object_kind="merge_request"), None),
        ({}, hub(), None),
    ],
)
def test_what_is_said(headers: dict[str, str], said: dict[str, Any], expected: Push | None) -> None:
    found = read(headers, json.dumps(said).encode(), signed="X-Gitlab-Token" not in headers)
    if expected is None:
        assert isinstance(found, Nothing) and found.reason
    else:
        assert isinstance(found, Push) and (found.ref, found.commit) == (expected.ref, expected.commit)


def test_a_form_with_the_body_in_it() -> None:
    form = {"X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"}
    found = read(
        form,
        b"payload=%7B%22ref%22%3A%22refs%2Fheads%2Fx%22%2C%22after%22%3A%22" + SHA.encode() + b"%22%7D",
        signed=True,
    )
    assert isinstance(found, Push) and found.branch == "x" and found.commit == SHA


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"ref": 1}', b"\xff", b"[" * 100_000, b'{"ref":"\xff"}'])
def test_what_is_no_event(body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        read(HUB, body, signed=True)


@pytest.mark.parametrize(
    "body", [b"", b'{"ref": "refs/heads/main"}', b"a=1", b"&".join([b"a=1"] * 11), b"payload=\xff"]
)
def test_what_is_no_form(body: bytes) -> None:
    with pytest.raises(InvalidArgument, match="the body is a form without a payload: say application/json"):
        read(HUB | {"Content-Type": "application/x-www-form-urlencoded"}, body, signed=True)


@pytest.mark.parametrize(
    ("ref", "commit"),
    [
        ("main", SHA),
        ("refs/heads/", SHA),
        ("refs/heads/a:b", SHA),
        ("refs/heads/a#b", SHA),
        ("refs/heads/a\nb", SHA),
        ("refs/heads/../x", SHA),
        ("refs/heads/" + "x" * 201, SHA),
        ("refs/heads/main", "main"),
        ("refs/heads/main", SHA.upper()),
        ("refs/heads/main", SHA[:-1]),
        ("refs/heads/main", f"--upload-pack={SHA}"),
    ],
)
def test_what_git_would_not_call_so(ref: str, commit: str) -> None:
    with pytest.raises(InvalidArgument):
        push(ref, commit)


def test_the_same_delivery_is_known_again() -> None:
    """A signed one by its body: whoever sends it once more can say any ID. GitLab's body may well come twice."""
    first, other = json.dumps(hub()).encode(), json.dumps(hub(after=OTHER)).encode()

    def mark(body: bytes, headers: dict[str, str], signed: bool) -> str:
        found = read(headers, body, signed=signed)
        assert isinstance(found, Push)
        return found.mark

    assert mark(first, HUB | {"X-GitHub-Delivery": "1"}, True) == mark(first, HUB | {"X-GitHub-Delivery": "2"}, True)
    assert mark(first, HUB | LAB, True) == mark(first, HUB, True) != mark(other, HUB, True)
    body = json.dumps(lab()).encode()
    assert mark(body, LAB, False) == mark(body, LAB, False) != mark(body, LAB | {"X-Gitlab-Event-UUID": "2"}, False)
    assert mark(body, {"X-Gitlab-Token": "x"}, False) == ""


def build(**changes: Any) -> Build:
    said = {
        "name": "app",
        "repository": "https://host/me/app.git",
        "image": "team/app",
        "secret": "s",
        "branch": "main",
    }
    return Build(**(said | changes))


@pytest.mark.parametrize(
    ("branch", "git_tags", "ref", "expected"),
    [
        ("main", (), "refs/heads/main", True),
        ("main", (), "refs/heads/maine", False),
        ("main", (), "refs/tags/main", False),
        ("release-*", (), "refs/heads/release-1", True),
        ("", ("v*",), "refs/tags/v1", True),
        ("", ("v*",), "refs/heads/v1", False),
        ("main", ("v*", "w*"), "refs/tags/w", True),
    ],
)
def test_what_is_built(branch: str, git_tags: tuple[str, ...], ref: str, expected: bool) -> None:
    assert choosing.wanted(build(branch=branch, git_tags=git_tags), Push(ref, SHA)) is expected


@pytest.mark.parametrize(
    ("tags", "push", "expected"),
    [
        (("latest", "{short}"), Push("refs/heads/main", SHA), ["latest", "6dcb09b"]),
        (("{sha}", "{branch}", "{tag}"), Push("refs/heads/main", SHA), [SHA, "main"]),
        (("{branch}", "{tag}-x"), Push("refs/tags/v1", SHA), ["v1-x"]),
        (("{branch}",), Push("refs/heads/feature/a b", SHA), ["feature-a-b"]),
        (("{branch}",), Push("refs/heads/.x", SHA), ["_x"]),
        (("{tag}",), Push("refs/tags/" + "x" * 200, SHA), ["x" * 128]),
        (("a", "a"), Push("refs/heads/main", SHA), ["a"]),
        (("{sha}",), Push("refs/heads/main", ""), []),
    ],
)
def test_what_it_is_called(tags: tuple[str, ...], push: Push, expected: list[str]) -> None:
    assert choosing.tags(build(tags=tags), push) == expected


@pytest.mark.parametrize(
    ("listen", "push_to", "expected"),
    [
        ("127.0.0.1:5000", "", "127.0.0.1:5000/team/app"),
        ("0.0.0.0:443", "", "localhost:443/team/app"),
        ("[::]:80", "", "localhost:80/team/app"),
        (":80", "", "localhost:80/team/app"),
        ("127.0.0.1:5000", "registry.example.com", "registry.example.com/team/app"),
    ],
)
def test_how_the_engine_reaches_the_registry(listen: str, push_to: str, expected: str) -> None:
    assert choosing.target(build(push_to=push_to), Settings(listen=(listen,))) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret": ""}, "it needs a secret or a secret_file"),
        ({"secret_file": "/x"}, "it needs a secret or a secret_file"),
        ({"branch": ""}, "it needs a branch, or git_tags"),
        ({"image": "Team/App"}, "invalid repository name"),
        ({"tags": ("{commit}",)}, "unknown word in the tag {commit}"),
        ({"tags": ("{sha.__class__}",)}, "unknown word in the tag"),
        ({"tags": ("{sha",)}, "invalid tag: {sha"),
        ({"tags": ("{}",)}, "unknown word"),
        ({"tags": ("a b",)}, "invalid tag: a b"),
        ({"repository": "https://me:word@host/x.git"}, "takes no password"),
        ({"repository": "https://token@host/x.git"}, "takes no password"),
        ({"repository": "https://host/x"}, "ends with .git"),
        ({"platforms": ("linux/amd64/x/y/z",)}, "build app: "),
        ({"platforms": ("linux/amd64", "amd64")}, "it names a platform twice"),
    ],
)
def test_what_makes_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        choosing.check(Settings(build=(build(**changes),)))
    assert message in caught.value.message and "word@" not in caught.value.message


def test_two_of_one_name_and_a_certificate_without_its_name() -> None:
    with pytest.raises(InvalidArgument, match="two builds have the same name"):
        choosing.check(Settings(build=(build(), build())))
    with pytest.raises(InvalidArgument, match="it needs push_to"):
        choosing.check(Settings(build=(build(),), tls_cert="x", tls_key="y"))
    for url in ("ssh://git@host/x", "git@host:me/x.git", "git://host/x", "http://host/a/b.git"):
        choosing.check(Settings(build=(build(repository=url),)))


def test_of_a_long_log_begin_and_end_are_kept() -> None:
    log = RunLog(half=10)
    for _ in range(2):
        log.add("012345678\n")
    assert log.text() == "012345678\n" * 2
    for number in range(100):
        log.add(f"{number:09}\n")
    assert log.text() == "012345678\n\n[... 1000 bytes are left out here ...]\n000000099\n"
    assert not log.changed
    log.add("more\0")
    assert log.changed and log.text().endswith("0099\nmore")


def test_a_log_that_is_cut_within_letters() -> None:
    log = RunLog(half=5)
    log.add("\u00e9" * 5)
    assert log.text() == "\u00e9" * 5
    log.add("\u00e9" * 50 + "\ud800")
    assert log.text().startswith("\u00e9\u00e9\n[...") and log.text().endswith("\u00e9?")


def test_what_an_engine_says() -> None:
    said: list[str] = []
    for line in (
        b'{"stream":"Step 1/2 : FROM box\\n"}\r',
        b'{"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"a"}',
        b'{"status":"Pushed","progressDetail":{},"id":"a"}',
        b'{"aux":{"ID":"sha256:00"}}',
        b"",
        b"nonsense",
        b'{"stream":"\xff"}',
    ):
        say_line(line, said.append)
    assert said == ["Step 1/2 : FROM box\n", "a: Pushed\n", "nonsense\n", '{"stream":"\ufffd"}\n']
    with pytest.raises(BuildFailed, match="no such thing"):
        say_line(b'{"errorDetail":{"message":"no such thing"},"error":"no such thing"}', said.append)
    assert said[-1] == "no such thing\n"
