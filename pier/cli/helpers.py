"""Credential helpers: programs ``docker-credential-NAME`` that keep secrets, told what to do by their only argument.

The protocol is Docker's: ``get``, ``store``, ``erase`` and ``list``, text on standard input, the answer on standard
output, and an exit code. A secret goes through the pipe only, never into an argument, a message or an error.
"""

from __future__ import annotations

import os

from pier.client.jsontext import decode
from pier.errors import PierError

NOT_FOUND = "credentials not found"
SAY_SO = 5.0
GIVE_UP = 300.0
VERBS = {"get": "getting", "store": "storing", "erase": "erasing", "list": "listing"}


class HelperFailed(PierError):
    """A helper is not there, says no, says nothing, or talks nonsense."""


def ask(helper: str, verb: str, text: str, secret: str = "") -> str | None:
    """Run ``docker-credential-HELPER VERB``. None when it knows no such credentials.

    Raises HelperFailed, without ``secret``. A helper that is silent is spoken of after :data:`SAY_SO` seconds, since
    it may be asking the user, and ended after :data:`GIVE_UP`.
    """
    program = f"docker-credential-{helper}"
    answer, status = _run(program, verb, text)
    if status == 0:
        return answer
    if verb != "store" and NOT_FOUND in answer:
        return None
    why = f"exit status {status}" if status > 0 else f"signal: {_signal(-status)}"
    raise _failed(verb, why, _shown(answer, secret))


def read_pair(helper: str, answer: str) -> tuple[str, str]:
    """User name and secret of an answer to ``get``; HelperFailed does not repeat what cannot be read."""
    try:
        found = decode(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _failed("get", f"docker-credential-{helper} did not answer with JSON", "")
    user, secret = found.get("Username") or "", found.get("Secret") or ""
    if not isinstance(user, str) or not isinstance(secret, str):
        raise _failed("get", f"docker-credential-{helper} answered with what is no user name and secret", "")
    return user, secret


def _failed(verb: str, why: str, out: str) -> HelperFailed:
    return HelperFailed(f"error {VERBS[verb]} credentials - err: {why}, out: `{out}`")


def _signal(number: int) -> str:
    from signal import strsignal

    return (strsignal(number) or str(number)).lower()


def _shown(answer: str, secret: str) -> str:
    """What a helper said, unless a secret is in it."""
    text = answer.strip()
    hides = '"Secret"' in text or (secret and secret in text)
    return "not shown, for there is a secret in it" if hides else text


def _run(program: str, verb: str, text: str) -> tuple[str, int]:
    """Its output, and its exit code (a signal's number below zero)."""
    input_read, input_write = os.pipe()
    output_read, output_write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, input_read, 0), (os.POSIX_SPAWN_DUP2, output_write, 1)]
    try:
        pid = os.posix_spawnp(program, [program, verb], os.environ, file_actions=actions)
    except OSError as error:
        os.close(input_write)
        os.close(output_read)
        raise _failed(verb, _missing(program, error), "") from error
    finally:
        os.close(input_read)
        os.close(output_write)
    try:
        _tell(input_write, text)
        answer = _listen(output_read, program, verb)
        return answer, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(output_read)


def _missing(program: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f'exec: "{program}": executable file not found in $PATH'
    return f"exec: {program}: {(error.strerror or str(error)).lower()}"


def _tell(descriptor: int, text: str) -> None:
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as pipe:
            pipe.write(text)
    except BrokenPipeError:
        return  # it had its reasons; its exit code tells


def _listen(descriptor: int, program: str, verb: str) -> str:
    import sys
    from select import POLLIN, poll

    watch = poll()
    watch.register(descriptor, POLLIN)
    data = b""
    waits = [SAY_SO, GIVE_UP - SAY_SO]
    while True:
        if not watch.poll(waits[0] * 1000):
            if len(waits) == 1:
                raise _failed(verb, f"{program} did not answer within {GIVE_UP:g} s", "")
            waits.pop(0)
            sys.stderr.write(f"Waiting for {program} {verb}...\n")
            sys.stderr.flush()
            continue
        piece = os.read(descriptor, 65536)
        if not piece:
            return data.decode(errors="replace")
        data += piece
