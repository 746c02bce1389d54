"""Holding real answers against the API's schema: types, required members, enums, and no member it does not know."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parent / "schema" / "engine-v1.51.json"


@cache
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text())
    return loaded


def complaints(operation: str, status: int, answer: Any, known: frozenset[str] = frozenset()) -> list[str]:
    """What is wrong with ``answer`` (decoded JSON) of ``METHOD /path/{id}``; empty when all is well.

    ``known`` are dotted members that clients want though the description no longer has them.
    """
    schema = {**description()["responses"][operation][str(status)], "$defs": description()["$defs"]}
    wrong = [f"{each.json_path}: {each.message[:200]}" for each in Draft202012Validator(schema).iter_errors(answer)]
    return wrong + [f"unknown member {path}" for path in _unknown(schema, answer, "$") if path not in known]


def _unknown(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """Dotted paths of members of ``value`` that the schema does not name; ``[]`` stands for any element."""
    if isinstance(value, list):
        items = [each["items"] for each in _parts(schema) if "items" in each]
        for element in value if items else []:
            yield from _unknown(items[0], element, f"{path}[]")
    elif isinstance(value, dict):
        parts = list(_parts(schema))
        named: dict[str, Any] = {}
        for part in parts:
            named.update(part.get("properties", {}))
        others = next((part["additionalProperties"] for part in parts if "additionalProperties" in part), None)
        for name, member in value.items():
            if name in named:
                yield from _unknown(named[name], member, f"{path}.{name}")
            elif others is not None:
                yield from _unknown(others, member, f"{path}[]")
            elif named:
                yield f"{path}.{name}"


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and all that it refers to or is made of."""
    yield schema
    if "$ref" in schema:
        yield from _parts(description()["$defs"][schema["$ref"].rpartition("/")[2]])
    for each in [*schema.get("allOf", []), *schema.get("anyOf", [])]:
        yield from _parts(each)
