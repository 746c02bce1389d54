"""Settings from a file, the environment and a command line. Whatever is not understood is refused by its name."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from pier.errors import InvalidArgument
from pier.registry.settings import Settings

PREFIX: Final = "PIER_REGISTRY_"
FILE: Final = "/etc/pier/registry.toml"


@dataclass(frozen=True, slots=True)
class Field:
    """One setting. ``kind`` is what its flag takes: string, int, bool, list; empty: it is for the file alone."""

    name: str
    kind: str
    default: Any
    help: str

    @property
    def flag(self) -> str:
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


_KINDS: Final[Mapping[type, str]] = {
    msgspec.inspect.StrType: "string",
    msgspec.inspect.LiteralType: "string",
    msgspec.inspect.IntType: "int",
    msgspec.inspect.BoolType: "bool",
    msgspec.inspect.VarTupleType: "list",
}


def _fields() -> Iterator[Field]:
    defaults = Settings()
    described = msgspec.inspect.type_info(Settings)
    assert isinstance(described, msgspec.inspect.StructType)
    for info in described.fields:
        shape, help = info.type, ""
        if isinstance(shape, msgspec.inspect.Metadata):
            help = (shape.extra_json_schema or {}).get("description", "")
            shape = shape.type
        tables = isinstance(shape, msgspec.inspect.VarTupleType) and isinstance(
            shape.item_type, msgspec.inspect.StructType
        )
        yield Field(info.name, "" if tables else _KINDS.get(type(shape), ""), getattr(defaults, info.name), help)


FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in _fields()}


def load(words: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """What file, environment and flags say together. Raises InvalidArgument, which names the place and the setting."""
    flags = _flags(words)
    path = flags.pop("config", None) or environment.get(PREFIX + "CONFIG")
    content = _file(path or FILE, optional=path is None)
    try:
        return msgspec.convert({**content, **_variables(environment), **flags}, Settings)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"settings: {error}") from error


def _file(path: str, *, optional: bool) -> dict[str, Any]:
    try:
        content = tomllib.loads(Path(path).read_text())
    except FileNotFoundError as error:
        if optional:
            return {}
        raise InvalidArgument(f"cannot read the settings {path}: no such file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidArgument(f"cannot read the settings {path}: {error}") from error
    if unknown := sorted(content.keys() - FIELDS.keys()):
        raise InvalidArgument(f"{path}: {_unknown(unknown, FIELDS)}")
    return content


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {field.variable: field for field in FIELDS.values() if field.kind}
    given = {name for name in environment if name.startswith(PREFIX)} - {PREFIX + "CONFIG"}
    if unknown := sorted(given - known.keys()):
        raise InvalidArgument(f"environment: {_unknown(unknown, known)}")
    return {known[name].name: _value(known[name], environment[name], name) for name in given}


def _flags(words: Sequence[str]) -> dict[str, Any]:
    known = {field.flag: field for field in FIELDS.values() if field.kind}
    known["config"] = Field("config", "string", "", "")
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            raise InvalidArgument(f"unexpected argument: {word}")
        if name not in known:
            raise InvalidArgument(f"unknown flag: --{name}")
        field = known[name]
        if not equals:
            if field.kind != "bool" and not rest:
                raise InvalidArgument(f"flag needs an argument: --{name}")
            text = "true" if field.kind == "bool" else rest.pop(0)
        value = _value(field, text, f"--{name}")
        given[field.name] = (*given.get(field.name, ()), *value) if field.kind == "list" else value
    return given


def _value(field: Field, text: str, place: str) -> Any:
    try:
        match field.kind:
            case "int":
                return msgspec.convert(text, int, strict=False)
            case "bool":
                return msgspec.convert(text, bool, strict=False)
            case "list":
                return tuple(each.strip() for each in text.split(",") if each.strip())
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"{place}: {text!r} is no {field.kind}") from error
    return text


def _unknown(names: Sequence[str], known: Iterable[str]) -> str:
    near = difflib.get_close_matches(names[0], list(known), 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"unknown setting{'s' if len(names) > 1 else ''}: {', '.join(names)}{hint}"
