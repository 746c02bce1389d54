"""What a Git service says in a call: which ref is where now (pure).

GitHub and Gitea name the event in a header, GitLab in the body. Of a tag with a message ``after`` is the tag itself;
the commit stands elsewhere.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

import msgspec

from pier.errors import InvalidArgument

_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS: Final = 10
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF: Final = re.compile(r"refs/(heads|tags)/[^\x00-\x20\x7f~^:?*\[\\#]{1,200}")
_HUB_EVENTS: Final = ("X-GitHub-Event", "X-Gitea-Event")
_LAB_PUSHES: Final = ("push", "tag_push")


@dataclass(frozen=True, slots=True)
class Push:
    """``ref`` is ``refs/heads/main`` or ``refs/tags/v1``; ``commit`` may be empty: whatever the ref is at by then.

    ``mark`` is the delivery's, the same where it is delivered once more; empty for none.
    """

    ref: str
    commit: str
    mark: str = ""

    @property
    def branch(self) -> str:
        """Empty for a tag."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""

    @property
    def tag(self) -> str:
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is no push of something that is there. ``reason`` is for people."""

    reason: str


class _HeadCommit(msgspec.Struct, frozen=True):
    id: str = ""


class _Body(msgspec.Struct, frozen=True):
    object_kind: str = ""
    ref: str = ""
    after: str = ""
    checkout_sha: str | None = None
    head_commit: _HeadCommit | None = None


def read(headers: Mapping[str, str], body: bytes, *, signed: bool) -> Push | Nothing:
    """``signed``: the body is, the headers with the delivery's ID are not; then the body is its own mark.

    Raises InvalidArgument for what is no event.
    """
    event = next((headers[name] for name in _HUB_EVENTS if name in headers), "")
    if event == "ping":
        return Nothing("pong")
    try:
        said = msgspec.json.decode(_unwrapped(headers, body), type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"the body is no event: {error}") from error
    if event != "push" and said.object_kind not in _LAB_PUSHES:
        return Nothing(f"nothing to do for the event {(event or said.object_kind or 'without a name')[:40]}")
    return _push(said, _mark(body if signed else headers.get("X-Gitlab-Event-UUID", "").encode(errors="replace")))


def push(ref: str, commit: str, mark: str = "") -> Push:
    """Raises InvalidArgument for what are no names of Git's."""
    if not _REF.fullmatch(ref) or ".." in ref:
        raise InvalidArgument(f"invalid ref: {ref[:80]!r}")
    if commit and not _COMMIT.fullmatch(commit):
        raise InvalidArgument(f"invalid commit: {commit[:80]!r}")
    return Push(ref, commit, mark)


def _push(said: _Body, mark: str) -> Push | Nothing:
    commit = said.checkout_sha or (said.head_commit.id if said.head_commit else "") or said.after
    if not said.ref.startswith(("refs/heads/", "refs/tags/")):
        return Nothing("nothing to do for what is neither a branch nor a tag")
    if not said.after.strip("0"):
        return Nothing("nothing to do: it was deleted")
    return push(said.ref, commit, mark)


def _unwrapped(headers: Mapping[str, str], body: bytes) -> bytes:
    """GitHub can also send a form with the JSON in it. Raises InvalidArgument."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != _FORM:
        return body
    try:
        return parse_qs(body.decode(), max_num_fields=_FIELDS)["payload"][0].encode()
    except (ValueError, LookupError) as error:
        raise InvalidArgument("the body is a form without a payload: say application/json if it is JSON") from error


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:19] if data else ""
