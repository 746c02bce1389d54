"""Makes ``engine-v1.51.json`` of Docker's API description: names, types, required members and enums, no prose.

    python -m tests.compat.schema.derive path/to/docker-api.yaml

The result is JSON Schema: one schema a response, by ``METHOD path`` and status, and the definitions they use.
Go writes a list or a map that was never made as ``null``, and the description does not say where, so both may
be null everywhere; so may the few numbers of ``POINTERS``.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

OUTPUT = Path(__file__).with_name("engine-v1.51.json")
LEFT_OUT = ("/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs", "/plugins")
POINTERS = ("MemorySwappiness",)
KEPT = ("type", "required", "enum", "minimum", "maximum")


def schema_of(node: dict[str, Any]) -> dict[str, Any]:
    """A node of the description as JSON Schema."""
    if "$ref" in node:
        reference = {"$ref": node["$ref"].replace("#/definitions/", "#/$defs/")}
        return {"anyOf": [reference, {"type": "null"}]} if node.get("x-nullable") else reference
    made = {key: node[key] for key in KEPT if key in node}
    if "properties" in node:
        properties = {name: {"x-nullable": name in POINTERS} | each for name, each in node["properties"].items()}
        made["properties"] = {name: schema_of(each) for name, each in properties.items()}
    if "items" in node:
        made["items"] = schema_of(node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        made["additionalProperties"] = schema_of(node["additionalProperties"])
    if "allOf" in node:
        made["allOf"] = [schema_of(each) for each in node["allOf"]]
    kind = made.get("type")
    is_map = kind == "object" and "properties" not in node
    if kind and (node.get("x-nullable") or kind == "array" or is_map or node.get("additionalProperties")):
        made["type"] = [kind, "null"]
    if None not in made.get("enum", [None]) and node.get("x-nullable"):
        made["enum"] = [*made["enum"], None]
    return made


def responses(paths: dict[str, Any]) -> dict[str, Any]:
    """``{"GET /info": {"200": schema}}`` of all operations that answer with JSON."""
    return {
        f"{method.upper()} {path}": {
            str(status): schema_of(response["schema"])
            for status, response in operation["responses"].items()
            if "schema" in response
        }
        for path, operations in paths.items()
        for method, operation in operations.items()
        if isinstance(operation, dict) and any("schema" in each for each in operation["responses"].values())
    }


def references(node: Any) -> Iterator[str]:
    """The names of the definitions that a schema mentions itself."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def reachable(schemas: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions that ``schemas`` need, directly or not."""
    found: dict[str, Any] = {}
    waiting = list(references(schemas))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definitions[name]
            waiting += references(definitions[name])
    return found


def derive(description: dict[str, Any]) -> dict[str, Any]:
    paths = {path: each for path, each in description["paths"].items() if not path.startswith(LEFT_OUT)}
    schemas = responses(paths)
    definitions = {name: schema_of(each) for name, each in description["definitions"].items()}
    return {
        "version": description["info"]["version"],
        "responses": schemas,
        "$defs": reachable(schemas, definitions),
    }


if __name__ == "__main__":
    made = derive(yaml.safe_load(Path(sys.argv[1]).read_text()))
    OUTPUT.write_text(json.dumps(made, separators=(",", ":"), sort_keys=True) + "\n")
