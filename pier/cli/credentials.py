"""Registry credentials: from ``config.json`` or from a credential helper."""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64encode

from pier.cli.config import Settings
from pier.client.jsontext import encode
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


def host_of(address: str) -> str:
    """The host of an address as users and older clients write it: without scheme and path."""
    return address.removeprefix("https://").removeprefix("http://").partition("/")[0]


def lookup(settings: Settings, key: str) -> Json:
    """The API's AuthConfig for a registry; empty when there is none. Raises HelperFailed."""
    helper = settings.helper_for(key)
    if helper:
        return _from_helper(helper, key)
    if key in settings.auths:
        return _from_entry(settings.auths[key], key)
    for name, entry in settings.auths.items():
        if host_of(name) == key:
            return _from_entry(entry, key)
    return {}


def _from_entry(entry: object, key: str) -> Json:
    names = ("auth", "username", "password", "identitytoken", "registrytoken")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name) or "", str) for name in names):
        raise _invalid(key)
    auth: Json = {name: entry[name] for name in names[1:] if entry.get(name)}
    if entry.get("auth"):
        try:
            user, colon, password = b64decode(entry["auth"], validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise _invalid(key)
        auth.update(username=user, password=password.strip("\0"))
    return {"serveraddress": key, **auth} if auth else {}


def _invalid(key: str) -> InvalidArgument:
    return InvalidArgument(f"the stored credentials of {key} are not valid: log in again")


def _from_helper(helper: str, key: str) -> Json:
    from pier.cli.helpers import ask, read_pair

    answer = ask(helper, "get", key)
    if answer is None:
        return {}
    user, secret = read_pair(helper, answer)
    if not secret:
        return {}
    if user == TOKEN_USER:
        return {"serveraddress": key, "identitytoken": secret}
    return {"serveraddress": key, "username": user, "password": secret}


def usable(settings: Settings, key: str) -> Json:
    """As :func:`lookup`; where that fails, a warning and nothing: what is public can be had without."""
    from pier.cli.helpers import HelperFailed

    try:
        return lookup(settings, key)
    except (HelperFailed, InvalidArgument) as error:
        from pier.cli.call import warn

        warn(f"WARNING: {error}")
        return {}


def store(settings: Settings, key: str, auth: Json) -> bool:
    """Keep credentials. True when a password has now got into the file as clear text. Raises HelperFailed."""
    token, user, password = auth.get("identitytoken") or "", auth.get("username") or "", auth.get("password") or ""
    helper = settings.helper_for(key)
    entry: Json = {}
    if helper:
        from pier.cli.helpers import ask

        name, secret = (TOKEN_USER, token) if token else (user, password)
        ask(helper, "store", encode({"ServerURL": key, "Username": name, "Secret": secret}), secret)
    elif token:
        entry = {"auth": _pair(user, ""), "identitytoken": token}
    else:
        entry = {"auth": _pair(user, password)}
    if settings.auths.get(key) == entry:
        return False
    settings.update(lambda raw: raw["auths"].__setitem__(key, entry))
    return bool(entry and not token)


def _pair(user: str, password: str) -> str:
    return b64encode(f"{user}:{password}".encode()).decode()


def erase(settings: Settings, key: str) -> None:
    """Forget the credentials of a registry, by all names that a client may have kept them under.

    Raises HelperFailed once the file is clean.
    """
    names = [key, f"http://{key}", f"https://{key}"] if key != HUB else [key]
    if any(name in settings.auths for name in names):
        settings.update(lambda raw: [raw["auths"].pop(name, None) for name in names])
    helper = settings.helper_for(key)
    if helper:
        from pier.cli.helpers import ask

        for name in names:
            ask(helper, "erase", name)


def header(auth: Json) -> str:
    """The value of X-Registry-Auth; empty for no credentials."""
    return urlsafe_b64encode(encode(auth).encode()).decode() if auth else ""
