"""``login`` and ``logout``."""

from __future__ import annotations

import sys

from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.config import load
from pier.cli.credentials import HUB, erase, key_of, lookup, store
from pier.cli.terminal import is_terminal
from pier.client import system
from pier.errors import Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def login(call: Call) -> int:
    """Check the credentials with the registry through the daemon, then keep them."""
    user, password = _given(call)
    settings = load(call.options)
    key = _key(call)
    if not user and not password:
        known = lookup(settings, key)
        if known:
            say(f"Authenticating with existing credentials... [Username: {known.get('username', '')}]")
            try:
                return _finish(call, known)
            except Unauthorized:
                say("Login did not succeed, error: the stored credentials are refused")
    user, password = _asked(user, password)
    return _finish(call, {"username": user, "password": password, "serveraddress": key})


def _finish(call: Call, auth: Json) -> int:
    answer = system.login(call.client, auth)
    settings = load(call.options)
    if answer.get("IdentityToken"):
        auth = {**auth, "password": "", "identitytoken": answer["IdentityToken"]}
    if not store(settings, auth["serveraddress"], auth):
        warn(f"\nWARNING! Your credentials are stored unencrypted in '{settings.path}'.")
        warn("Configure a credential helper to remove this warning.\n")
    say(answer.get("Status") or "Login Succeeded")
    return 0


def _given(call: Call) -> tuple[str, str]:
    user, password = call.text("username"), call.text("password")
    if call.given("password"):
        warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
        if call.flag("password-stdin"):
            raise Failure("--password and --password-stdin are mutually exclusive")
    if call.flag("password-stdin"):
        if not user:
            raise Failure("Must provide --username with --password-stdin")
        password = sys.stdin.read().rstrip("\r\n")
    return user, password


def _asked(user: str, password: str) -> tuple[str, str]:
    if user and password:
        return user, password
    if not is_terminal(0):
        raise Failure("Error: Cannot perform an interactive login from a non TTY device")
    import getpass

    user = user or input("Username: ").strip()
    if not user:
        raise Failure("Error: Non-null Username Required")
    password = password or getpass.getpass("Password: ")
    if not password:
        raise Failure("Error: Password Required")
    return user, password


def _key(call: Call) -> str:
    server = call.args[0] if call.args else ""
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    return HUB if server == HUB else key_of(bare)


def logout(call: Call) -> int:
    key = _key(call)
    settings = load(call.options)
    shown = "" if key == HUB else f" for {key}"
    if key not in settings.auths and not settings.helper_for(key):
        say(f"Not logged in to {key if shown else HUB}")
        return 0
    say(f"Removing login credentials for {key}")
    erase(settings, key)
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
)
LOGOUT = Command(logout, "[SERVER]", maximum=1, details="Without SERVER it is the Docker Hub.")
