"""Lists of things as tables, JSON lines or through a template: what ``--format`` chooses.

``table`` and ``table TEMPLATE`` have headers and aligned columns, ``json`` is one object a line,
anything else is a template for each line.
"""

from __future__ import annotations

import sys

from pier.cli.command import Failure
from pier.cli.table import align

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Json = dict[str, Any]
    Cell = Callable[..., Any]

ESCAPES = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"))


def escaped(text: str) -> str:
    """JSON text as Go writes it by default, safe inside a web page."""
    for letter, escape in ESCAPES:
        text = text.replace(letter, escape)
    return text


class Shape:
    """The columns of one kind of row: ``cells`` compute them, ``headers`` name them where the name is not enough.

    ``with_arguments`` are cells that a template must give an argument to (``{{.Label "a"}}``).
    """

    __slots__ = ("cells", "headers", "type_name", "with_arguments")

    def __init__(
        self,
        type_name: str,
        cells: Mapping[str, Cell],
        headers: Mapping[str, str],
        with_arguments: frozenset[str] = frozenset(),
    ) -> None:
        self.type_name = type_name
        self.cells = cells
        self.headers = headers
        self.with_arguments = with_arguments


class Row:
    """One thing, seen through a shape."""

    __slots__ = ("data", "shape")

    def __init__(self, shape: Shape, data: Any) -> None:
        self.shape = shape
        self.data = data

    @property
    def type_name(self) -> str:
        return self.shape.type_name

    def field(self, name: str, *arguments: Any) -> Any:
        return self.shape.cells[name](self.data, *arguments)

    def as_dict(self) -> Json:
        names = sorted(name for name in self.shape.cells if name not in self.shape.with_arguments)
        return {name: self.field(name) for name in names}

    def as_json(self) -> str:
        from pier.client.jsontext import encode

        return escaped(encode(self.as_dict()))


class _Headers:
    """Stands where a row would: every column is its header."""

    type_name = "headers"

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def field(self, name: str, *arguments: Any) -> str:
        if arguments:
            return str(arguments[0]).rsplit(".", 1)[-1].replace("-", " ").replace("_", " ")
        if name not in self._shape.cells:
            return "<no value>"
        return self._shape.headers.get(name, name.upper())


def table(columns: Iterable[str]) -> str:
    """The format of a plain table of ``columns``."""
    return "table " + "\t".join(f"{{{{.{name}}}}}" for name in columns)


def is_table(form: str) -> bool:
    return form == "table" or form.startswith("table ")


def show(shape: Shape, items: Iterable[Any], form: str, default: str) -> None:
    """Print ``items``; ``default`` is the format of a bare ``table`` or of none. Raises Failure for a bad format."""
    if form in ("", "table"):
        form = default
    rows = [Row(shape, item) for item in items]
    if form == "json":
        sys.stdout.write("".join(row.as_json() + "\n" for row in rows))
        return
    if is_table(form) and "{{" in form and _simple(form, shape):
        sys.stdout.write(_plain_table(form, shape, rows))
        return
    sys.stdout.write(_templated(form, shape, rows))


def _simple(form: str, shape: Shape) -> bool:
    """A table of columns and nothing else needs no template."""
    names = form[6:].split("\t")
    return all(name.startswith("{{.") and name.endswith("}}") and name[3:-2] in shape.cells for name in names)


def _plain_table(form: str, shape: Shape, rows: list[Row]) -> str:
    names = [name[3:-2] for name in form[6:].split("\t")]
    lines = ["\t".join(shape.headers.get(name, name.upper()) for name in names)]
    lines += ["\t".join(str(row.field(name)) for name in names) for row in rows]
    return align("\n".join(lines) + "\n")


def _templated(form: str, shape: Shape, rows: list[Row]) -> str:
    from pier.cli.template.execute import Template
    from pier.cli.template.functions import FUNCTIONS
    from pier.cli.template.nodes import TemplateError

    source = (form[len("table") :] if is_table(form) else form).strip(" ").replace("\\t", "\t").replace("\\n", "\n")
    try:
        template = Template(source)
        lines = [template.execute(row) for row in rows]
        if is_table(form):
            as_is = dict.fromkeys(("json", "split", "join", "title", "lower", "upper", "truncate"), _first)
            lines.insert(0, template.execute(_Headers(shape), {**FUNCTIONS, **as_is}))
    except TemplateError as error:
        raise Failure(f"template parsing error: {error}") from None
    text = "".join(line + "\n" for line in lines)
    return align(text) if is_table(form) else text


def _first(value: Any, *_rest: Any) -> Any:
    return value
