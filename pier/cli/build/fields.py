"""Flags whose values are lists of ``key=value``: ``--output``, ``--cache-from``, ``--secret``, ``--ssh`` (pure)."""

from __future__ import annotations

from pier.cli.command import Failure
from pier.cli.values import comma_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

STORES = ("image", "registry", "docker")


def pairs(text: str) -> dict[str, str]:
    """``a=1,b=2``, keys in lower case where they are no annotation's. Raises Failure for a part without ``=``."""
    found = {}
    for field in comma_list(text):
        key, equals, value = field.partition("=")
        if not equals:
            raise Failure(f"ERROR: invalid value {field}")
        key = key.strip()
        found[key if key.startswith("annotation") else key.lower()] = value
    return found


def output(text: str) -> Json:
    """``--output``: an Output of the request, whose ``dest`` is the client's. Raises Failure."""
    if "=" not in text and "," not in text:
        if text == "-":
            return {"type": "tar", "attributes": {"dest": "-"}}
        return {"type": "local", "attributes": {"dest": text}}
    found = pairs(text)
    kind = found.pop("type", "")
    if not kind:
        raise Failure("ERROR: type is required for output")
    if kind == "registry":
        kind, found = "image", {**found, "push": found.get("push", "true")}
    if kind == "local" and not found.get("dest"):
        raise Failure("ERROR: dest is required for local exporter")
    if kind in ("tar", "oci"):
        found.setdefault("dest", "-")
    return {"type": kind, "attributes": found}


def outputs(texts: list[str], *, push: bool, load: bool, annotations: list[str]) -> list[Json]:
    """All outputs, with what ``--push``, ``--load`` and ``--annotation`` mean for them. Raises Failure."""
    found = [output(text) for text in texts]
    if push:
        images = [each for each in found if each["type"] == "image"]
        for each in images:
            each["attributes"]["push"] = "true"
        if not images:
            found.append({"type": "image", "attributes": {"push": "true"}})
    if load and not any(each["type"] == "docker" for each in found):
        found.append({"type": "docker", "attributes": {}})
    if annotations and not found:
        found.append({"type": "image", "attributes": {}})
    for text in annotations:
        key, value = annotation(text)
        for each in found:
            if each["type"] in (*STORES, "oci"):
                each["attributes"][key] = value
    return found


def annotation(text: str) -> tuple[str, str]:
    """``[TYPE[PLATFORM]:]KEY=VALUE`` as an output's attribute. Raises Failure."""
    key, equals, value = text.partition("=")
    if not equals:
        raise Failure(f"ERROR: invalid annotation {chr(34)}{text}{chr(34)}: expected key=value")
    where, colon, name = key.partition(":")
    if not colon or not where.startswith(("manifest", "index")):
        return f"annotation.{key}", value
    return f"annotation-{where}.{name}", value


def cache(text: str, *, taking: bool) -> Json:
    """``--cache-from`` (``taking``) and ``--cache-to``: a CacheSpec. Raises Failure."""
    if "=" not in text and "," not in text:
        return {"type": "registry", "attributes": {"ref": text}}
    found = pairs(text)
    kind = found.pop("type", "")
    if not kind:
        raise Failure(f'ERROR: type required form> "{text}"')
    if kind == "local" and not found.get("src" if taking else "dest"):
        raise Failure(f"ERROR: {'src' if taking else 'dest'} is required for local cache")
    return {"type": kind, "attributes": found}


def secret(text: str) -> dict[str, str]:
    """``--secret``: id, type (file or env) and src. Raises Failure."""
    found: dict[str, str] = {}
    for field in comma_list(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if not equals:
            raise Failure(f"ERROR: invalid field '{field}' must be a key=value pair")
        if key in ("source", "src"):
            found["src"] = value
        elif key == "env":
            found.update(type="env", src=value)
        elif key == "type":
            if value not in ("file", "env"):
                raise Failure(f'ERROR: unsupported secret type "{value}"')
            found["type"] = value
        elif key == "id":
            found["id"] = value
        else:
            raise Failure(f"ERROR: unexpected key '{key}' in '{field}'")
    if not found.get("id"):
        raise Failure("ERROR: secret id is required" if not found.get("src") else f"ERROR: no id in secret {text}")
    return found


def refused_attestation(flag: str, text: str) -> str:
    """Why it cannot be made; empty where it is not wanted."""
    fields = comma_list(text)
    if flag == "attest":
        if not any(field.startswith("type=") for field in fields):
            return f"ERROR: invalid value {text}"
        if any(field.partition("=")[::2] in (("disabled", "true"), ("disabled", "1")) for field in fields):
            return ""
    elif text.lower() in ("false", "0", "f"):
        return ""
    return f"ERROR: attestations are not supported: --{flag}={text} cannot be obeyed"
