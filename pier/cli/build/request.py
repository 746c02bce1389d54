"""The flags of ``build`` as the engine's BuildRequest (``build/request.py``), and what this client offers with it."""

from __future__ import annotations

import os

from pier.cli.build import fields
from pier.cli.build.contexts import Contexts
from pier.cli.command import Failure
from pier.cli.terminal import is_terminal
from pier.client.build import Offers
from pier.errors import InvalidArgument
from pier.oci.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.cli.call import Call

    Json = dict[str, Any]

NETWORKS = ("", "default", "host", "none")
ENTITLEMENTS = ("network.host", "security.insecure")
LIMITS = {
    "memory": "memory",
    "memory-swap": "memory_swap",
    "cpu-shares": "cpu_shares",
    "cpu-period": "cpu_period",
    "cpu-quota": "cpu_quota",
    "cpuset-cpus": "cpuset_cpus",
    "cpuset-mems": "cpuset_mems",
    "shm-size": "shm_size",
    "cgroup-parent": "cgroup_parent",
}
OVER_SSH = ("git@", "ssh://")
PROXIES = ("httpProxy", "httpsProxy", "ftpProxy", "noProxy", "allProxy")


def request_of(call: Call, offers: Offers) -> tuple[Json, Contexts]:
    """Raises Failure and UsageError in buildx's words."""
    request: Json = {"id": os.urandom(12).hex()}
    _refuse(call)
    _steps(call, request)
    _result(call, request)
    _secrets(call, offers)
    contexts = Contexts(request, offers)
    contexts.named(call.items("build-context"))
    contexts.main(call.args[0], call.text("file"))
    _local_caches(request, offers)
    return request, contexts


def _refuse(call: Call) -> None:
    for flag in ("attest", "provenance", "sbom"):
        for text in call.items(flag) if flag == "attest" else [call.text(flag)] if call.given(flag) else []:
            if reason := fields.refused_attestation(flag, text):
                raise Failure(reason)
    if call.text("isolation") not in ("", "default"):
        raise Failure(f"ERROR: isolation {call.text('isolation')} is not supported: this is Linux")
    if call.given("security-opt") and call.items("security-opt"):
        raise Failure("ERROR: --security-opt is not supported by the builder")


def _steps(call: Call, request: Json) -> None:
    request["build_args"] = build_args(call)
    request["labels"] = dict(text.partition("=")[::2] for text in call.items("label"))
    for flag in ("target", "network"):
        if call.text(flag):
            request[flag] = call.text(flag)
    if call.text("network") not in NETWORKS:
        raise Failure(
            f'ERROR: network mode "{call.text("network")}" is not supported by the builder: default, host, none'
        )
    request["extra_hosts"] = call.items("add-host")
    request["entitlements"] = entitlements(call.items("allow"))
    if call.text("network") == "host":
        request["entitlements"] = sorted({*request["entitlements"], "network.host"})
    request["no_cache_filter"] = [name for text in call.items("no-cache-filter") for name in text.split(",")]
    if call.flag("no-cache") and request["no_cache_filter"]:
        raise Failure("ERROR: --no-cache and --no-cache-filter cannot currently be used together")
    platforms = call.items("platform") or [os.environ.get("DOCKER_DEFAULT_PLATFORM", "")]
    request["platforms"] = [name.strip() for text in platforms for name in text.split(",") if name.strip()]
    for flag in ("pull", "no-cache", "squash"):
        request[flag.replace("-", "_")] = call.flag(flag)
    request["check"] = wants_check(call)
    limits = {name: call.get(flag) for flag, name in LIMITS.items() if call.get(flag)}
    limits["ulimits"] = [
        {"name": each["Name"], "soft": each["Soft"], "hard": each["Hard"]} for each in call.items("ulimit")
    ]
    request["limits"] = limits
    request["cache_from"] = [fields.cache(text, taking=True) for text in call.items("cache-from")]
    request["cache_to"] = [fields.cache(text, taking=False) for text in call.items("cache-to")]
    request["source_date_epoch"] = epoch(request["build_args"])


def build_args(call: Call) -> dict[str, str]:
    """Flags over the proxies of config.json; a name without a value takes ours, and is left out where there is none."""
    from pier.cli.config import load

    found = {}
    proxies = (load(call.options).raw.get("proxies") or {}).get("default") or {}
    for name in PROXIES:
        if proxies.get(name):
            upper = name.replace("Proxy", "_PROXY").upper()
            found[upper] = found[upper.lower()] = str(proxies[name])
    for text in call.items("build-arg"):
        name, equals, value = text.partition("=")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    if "SOURCE_DATE_EPOCH" in os.environ:
        found.setdefault("SOURCE_DATE_EPOCH", os.environ["SOURCE_DATE_EPOCH"])
    return found


def epoch(arguments: dict[str, str]) -> int | None:
    text = arguments.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not text.isdecimal():
        raise Failure(f"ERROR: invalid SOURCE_DATE_EPOCH: {text}: seconds since 1970 are needed")
    return int(text)


def entitlements(texts: list[str]) -> list[str]:
    for text in texts:
        if text not in ENTITLEMENTS:
            raise Failure(f"ERROR: unknown entitlement {text}")
    return sorted(set(texts))


def wants_check(call: Call) -> bool:
    method = call.text("call")
    if method not in ("", "build", "check", "lint"):
        raise Failure(f"ERROR: unsupported call {method}: build and check are known")
    return call.flag("check") or method in ("check", "lint")


def _result(call: Call, request: Json) -> None:
    for text in call.items("tag"):
        try:
            parse_reference(text)
        except InvalidArgument as error:
            raise Failure(f'ERROR: invalid tag "{text}": {error}') from None
    request["tags"] = call.items("tag")
    request["outputs"] = fields.outputs(
        call.items("output"), push=call.flag("push"), load=call.flag("load"), annotations=call.items("annotation")
    )
    on_error = call.text("on-error")
    if on_error not in ("", "shell"):
        raise Failure(f"ERROR: --on-error {on_error}: only shell is known")
    if on_error and not (is_terminal(0) and is_terminal(1)):
        raise Failure("ERROR: --on-error shell needs a terminal")
    request["error_shell"] = bool(on_error)


def _secrets(call: Call, offers: Offers) -> None:
    for text in call.items("secret"):
        found = fields.secret(text)
        offers.secrets[found["id"]] = _secret(found)
    for text in call.items("ssh") or (["default"] if call.args[0].startswith(OVER_SSH) else []):
        from pier.cli.build.agents import agent

        name, connect = agent(text, offers.ending)
        offers.ssh[name] = connect


def _secret(found: dict[str, str]) -> Callable[[], bytes]:
    """Files are read when a step asks; that they are there is seen at once."""
    source, kind = found.get("src", ""), found.get("type", "")
    if kind == "env" or (not kind and not source and found["id"] in os.environ):
        name = source or found["id"]
        return lambda: os.environ.get(name, "").encode("utf-8", "surrogateescape")
    path = source or found["id"]
    try:
        os.stat(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"ERROR: failed to stat {path}: stat {path}: {reason}") from None

    def read() -> bytes:
        with open(path, "rb") as file:
            return file.read()

    return read


def _local_caches(request: Json, offers: Offers) -> None:
    for index, spec in enumerate(request["cache_from"]):
        if spec["type"] == "local":
            path = spec["attributes"]["src"]
            if os.path.isdir(path):
                offers.folders[f"cache:{index}"] = path
