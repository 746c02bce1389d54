"""``POST /hooks/NAME``: a Git service says that a repository has changed."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from aiohttp import web

from pier.errors import DeadlineExceeded, Forbidden, InvalidArgument, PierError, Unauthorized, Unavailable
from pier.log import Logger
from pier.registry.access.gate import Gate
from pier.registry.builds import choosing
from pier.registry.builds.payload import Nothing, read
from pier.registry.builds.signature import check_signature, check_token
from pier.registry.builds.tasks import begin
from pier.registry.deps import Registry
from pier.registry.http.replies import document
from pier.registry.principal import Caller
from pier.registry.settings import Build

PREFIX: Final = "/hooks/"
_LARGEST: Final = 25 << 20
"""Bytes that GitHub sends at most."""
_SMALL: Final = 1 << 20
_AT_ONCE: Final = 8
_PATIENCE: Final = 60
_STATUS: Final = {Unauthorized: 401, Forbidden: 403}
_log: Final = Logger("pier.registry")


class BuildHooks:
    """The page of :data:`PREFIX`. Bodies are kept whole until they are checked: of large ones some at once, no more."""

    def __init__(self, registry: Registry, gate: Gate, rules: Sequence[Build]) -> None:
        self._registry = registry
        self._gate = gate
        self._rules = {rule.name: rule for rule in rules}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._begins = {rule.name: asyncio.Lock() for rule in rules}

    async def answer(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """Raises Refusal TOOMANYREQUESTS, and what the records raise."""
        self._gate.limits.request(caller.address)
        rule = self._rules.get(request.path.removeprefix(PREFIX))
        if rule is None:
            return _said(404, "no such build")
        if request.method != "POST":
            return _said(405, "only POST is possible here", {"Allow": "POST"})
        try:
            return await self._called(rule, request)
        except (Unauthorized, Forbidden) as error:
            _log.warning("a webhook is refused", build=rule.name, address=caller.address, reason=error.message)
            self._gate.audit.note("hook", who="", address=caller.address, result="DENIED", build=rule.name)
            return _said(_STATUS[type(error)], error.message)
        except _TooLarge as error:
            return _said(413, error.message)
        except InvalidArgument as error:
            return _said(400, error.message)

    async def _called(self, rule: Build, request: web.BaseRequest) -> web.StreamResponse:
        secret = await asyncio.to_thread(secret_of, rule)
        shown = check_token(request.headers, secret)
        length = request.content_length
        async with self._turns if length is None or length > _SMALL else nullcontext():
            body = await _body(request)
            if not shown:
                check_signature(request.headers, body, secret)
            event = read(request.headers, body, signed=not shown)
        if isinstance(event, Nothing):
            return _said(200, event.reason)
        if not choosing.wanted(rule, event) or not choosing.tags(rule, event):
            return _said(200, f"nothing to do for {event.ref}")
        async with self._begins[rule.name]:  # who waits here is next; among instances it is a matter of luck
            run = await begin(self._registry.records, rule, event, self._registry.now)
        answer = document({"run": run.id, "state": run.state, "subject": run.subject})
        answer.set_status(202)
        return answer


class _TooLarge(PierError):
    """Larger than any service sends."""


def secret_of(rule: Build) -> str:
    """The file is read again each time. Raises Unavailable where it says nothing: anybody could sign with that."""
    if not rule.secret_file:
        return rule.secret
    try:
        secret = Path(rule.secret_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        _log.error("a webhook's secret cannot be read", build=rule.name, reason=str(error))
        raise Unavailable("the webhook's secret cannot be read") from error
    if not secret:
        raise Unavailable("the webhook's secret cannot be read")
    return secret


async def _body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > _LARGEST:
        raise _TooLarge(f"the request is longer than {_LARGEST} bytes")
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for piece in request.content.iter_any():
                size += len(piece)
                if size > _LARGEST:
                    raise _TooLarge(f"the request is longer than {_LARGEST} bytes")
                pieces.append(piece)
    except TimeoutError as error:
        raise DeadlineExceeded("the client has stopped sending") from error
    return b"".join(pieces)


def _said(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    answer = document({"message": message}, headers)
    answer.set_status(status)
    return answer
