"""``login`` and ``logout``."""

from __future__ import annotations

import sys

from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.config import load
from pier.cli.credentials import HUB, erase, host_of, key_of, store, usable
from pier.cli.errors import sentence
from pier.cli.helpers import HelperFailed
from pier.cli.terminal import is_terminal
from pier.client import system
from pier.client.failures import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

INSECURE = "WARNING! Using --password via the CLI is insecure. Use --password-stdin."
CLEAR_TEXT = """
WARNING! Your credentials are stored unencrypted in '{path}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/
"""
EXISTING = """Authenticating with existing credentials... [Username: {user}]

 Info -> To login with a different account, run '{program} logout' followed by '{program} login'

"""


def login(call: Call) -> int:
    """Check the credentials with the registry through the daemon, then keep them."""
    user, password = _given(call)
    key = _key(call)
    known: Json = {}
    if not user and not password:
        known = usable(load(call.options), key)
        if known.get("username") or known.get("identitytoken"):
            warn(EXISTING.format(user=known.get("username", ""), program="pier"))
            try:
                return _finish(call, known)
            except Answer as error:
                warn(f"Login did not succeed, error: {sentence(error)}")
    user, password = _asked(user, password, str(known.get("username") or ""))
    return _finish(call, {"username": user, "password": password, "serveraddress": key})


def _finish(call: Call, auth: Json) -> int:
    answer = system.login(call.client, auth)
    settings = load(call.options)
    if answer.get("IdentityToken"):
        auth = {**auth, "password": "", "identitytoken": answer["IdentityToken"]}
    try:
        in_clear = store(settings, auth["serveraddress"], auth)
    except HelperFailed as error:
        raise Failure(f"Error saving credentials: {error}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"Error saving credentials: write {settings.path}: {reason}") from error
    if in_clear:
        warn(CLEAR_TEXT.format(path=settings.path))
    say(answer.get("Status") or "Login Succeeded")
    return 0


def _given(call: Call) -> tuple[str, str]:
    user, password = call.text("username"), call.text("password")
    if call.given("password") and call.flag("password-stdin"):
        raise Failure("conflicting options: cannot specify both --password and --password-stdin")
    if call.flag("password-stdin"):
        if not user:
            raise Failure("the --password-stdin option requires --username to be set")
        return user, _piped()
    for flag in ("username", "password"):
        if call.given(flag) and not call.text(flag).strip():
            raise Failure(f"{flag} is empty")
    if password:
        warn(INSECURE)
    return user, password


def _piped() -> str:
    try:
        return sys.stdin.buffer.read().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Failure("the password on standard input is not UTF-8 text") from error


def _asked(user: str, password: str, known: str) -> tuple[str, str]:
    if user and password:
        return user, password
    if not is_terminal(0):
        raise Failure("Error: Cannot perform an interactive login from a non TTY device")
    user = user or _line(f"Username ({known}): " if known else "Username: ").strip() or known
    if not user:
        raise Failure("Error: Non-null Username Required")
    password = password or _secret("Password: ")
    if not password:
        raise Failure("Error: Password Required")
    return user, password


def _line(prompt: str) -> str:
    sys.stdout.write(prompt)
    sys.stdout.flush()
    return sys.stdin.readline()


def _secret(prompt: str) -> str:
    """A line that the terminal does not show."""
    import termios

    before = termios.tcgetattr(0)
    silent = [*before]
    silent[3] = before[3] & ~termios.ECHO
    termios.tcsetattr(0, termios.TCSAFLUSH, silent)
    try:
        return _line(prompt).rstrip("\r\n")
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        say("")


def _key(call: Call) -> str:
    server = call.args[0] if call.args else ""
    return HUB if server == HUB else key_of(host_of(server))


def logout(call: Call) -> int:
    key = _key(call)
    say(f"Removing login credentials for {key}")
    try:
        erase(load(call.options), key)
    except HelperFailed as error:
        raise Failure(f"WARNING: could not erase credentials:\n{error}") from error
    return 0


LOGIN = Command(
    login,
    "[SERVER]",
    (
        Flag("password", "string", "Password or access token", "p"),
        Flag("password-stdin", "bool", "Read the password from standard input"),
        Flag("username", "string", "User name", "u"),
    ),
    maximum=1,
    details="Without SERVER it is the Docker Hub.",
    examples=(
        ("pier login -u me --password-stdin r.example.com <token", "Without a password in the list of processes"),
    ),
)
LOGOUT = Command(logout, "[SERVER]", maximum=1, details="Without SERVER it is the Docker Hub.")
