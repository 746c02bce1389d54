"""Registry credentials: from ``config.json`` or from a credential helper."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode, urlsafe_b64encode

from pier.cli.config import Settings
from pier.client.jsontext import decode, encode
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

HUB = "https://index.docker.io/v1/"
TOKEN_USER = "<token>"


def key_of(domain: str) -> str:
    """Under which key a registry's credentials are kept."""
    return HUB if domain in ("docker.io", "index.docker.io", "") else domain


def lookup(settings: Settings, key: str) -> Json:
    """The API's AuthConfig for a registry; empty when there is none."""
    helper = settings.helper_for(key)
    if helper:
        return _from_helper(helper, key)
    for name in (key, f"https://{key}", f"http://{key}", f"https://{key}/", f"https://{key}/v2/"):
        if name in settings.auths:
            return _from_entry(settings.auths[name], key)
    return {}


def _from_entry(entry: Json, key: str) -> Json:
    auth: Json = {"serveraddress": key}
    if entry.get("auth"):
        try:
            user, _, password = b64decode(entry["auth"]).decode().partition(":")
        except ValueError as error:
            raise InvalidArgument(f"the stored credentials of {key} are not valid: {error}") from error
        auth.update(username=user, password=password.strip("\0"))
    if entry.get("identitytoken"):
        auth["identitytoken"] = entry["identitytoken"]
    if entry.get("registrytoken"):
        auth["registrytoken"] = entry["registrytoken"]
    return auth


def _from_helper(helper: str, key: str) -> Json:
    answer = run_helper(helper, "get", key)
    if answer is None:
        return {}
    found = decode(answer)
    if found.get("Username") == TOKEN_USER:
        return {"serveraddress": key, "identitytoken": found["Secret"]}
    return {"serveraddress": key, "username": found["Username"], "password": found["Secret"]}


def store(settings: Settings, key: str, auth: Json) -> str:
    """Keep credentials; returns the helper that has them, "" when they are in the file itself."""
    helper = settings.helper_for(key)
    if helper:
        token = auth.get("identitytoken")
        user, secret = (TOKEN_USER, token) if token else (auth["username"], auth["password"])
        run_helper(helper, "store", encode({"ServerURL": key, "Username": user, "Secret": secret}))
        settings.auths[key] = {}
    elif auth.get("identitytoken"):
        pair = b64encode(f"{auth['username']}:".encode()).decode()
        settings.auths[key] = {"auth": pair, "identitytoken": auth["identitytoken"]}
    else:
        settings.auths[key] = {"auth": b64encode(f"{auth['username']}:{auth['password']}".encode()).decode()}
    settings.save()
    return helper


def erase(settings: Settings, key: str) -> None:
    helper = settings.helper_for(key)
    if helper:
        run_helper(helper, "erase", key)
    if settings.auths.pop(key, None) is not None:
        settings.save()


def header(auth: Json) -> str:
    """The value of X-Registry-Auth; empty for no credentials."""
    return urlsafe_b64encode(encode(auth).encode()).decode() if auth else ""


def run_helper(helper: str, verb: str, text: str) -> str | None:
    """Run ``docker-credential-HELPER VERB``. None when it knows no such credentials. Raises InvalidArgument."""
    program = f"docker-credential-{helper}"
    input_read, input_write = os.pipe()
    output_read, output_write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, input_read, 0), (os.POSIX_SPAWN_DUP2, output_write, 1)]
    try:
        pid = os.posix_spawnp(program, [program, verb], os.environ, file_actions=actions)
    except OSError as error:
        for descriptor in (input_read, input_write, output_read, output_write):
            os.close(descriptor)
        raise InvalidArgument(f"error getting credentials: {program}: {error.strerror}") from error
    os.close(input_read)
    os.close(output_write)
    with os.fdopen(input_write, "w") as to_helper:
        to_helper.write(text)
    with os.fdopen(output_read) as from_helper:
        answer = from_helper.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 0:
        return answer
    if "credentials not found" in answer:
        return None
    raise InvalidArgument(f"error {verb} credentials - {program}: exit status {status}: {answer.strip()}")
