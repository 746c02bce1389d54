"""Nodes over data. Data is JSON (maps, lists, scalars) or an object with ``field(name, *arguments)``."""

from __future__ import annotations

from pier.cli.template.functions import FUNCTIONS
from pier.cli.template.nodes import Action, Branch, Jump, Node, Pipeline, TemplateError, Term, Text
from pier.cli.template.parse import parse
from pier.cli.template.printing import go_text, is_true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    class Fields(Protocol):
        """A row of a table: its columns are fields, some of which take arguments."""

        type_name: str

        def field(self, name: str, *arguments: Any) -> Any:
            """Raises ``KeyError`` for a column that there is not."""


_NOTHING: Any = object()


class _Jumped(Exception):
    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword


class Template:
    """A parsed format. ``optional``: keys that a map may lack, and what they are then."""

    def __init__(self, source: str, optional: Mapping[str, Any] | None = None) -> None:
        self.nodes = parse(source, FUNCTIONS)
        self._optional = optional or {}

    def execute(self, data: Any, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> str:
        """Raises :class:`TemplateError`."""
        run = _Run(data, self._optional, functions)
        run.nodes(self.nodes, data)
        return "".join(run.out)


NIL_LISTS = frozenset(
    (
        *("Aliases", "Args", "Binds", "CapAdd", "CapDrop", "Cmd", "DNSNames", "DeviceCgroupRules", "DeviceRequests"),
        *("Devices", "Dns", "DnsOptions", "DnsSearch", "Entrypoint", "Env", "ExecIDs", "ExtraHosts", "GroupAdd"),
        *("Links", "MaskedPaths", "Mounts", "OnBuild", "ReadonlyPaths", "RepoDigests", "RepoTags", "SecurityOpt"),
        *("Shell", "Ulimits", "VolumesFrom"),
    )
)
NIL_MAPS = frozenset(
    ("DriverOpts", "ExposedPorts", "Labels", "Options", "PortBindings", "Ports", "Sysctls", "Tmpfs", "Volumes")
)


def _nil_text(pipeline: Pipeline) -> str:
    """How Go prints a nil: by its type, which for JSON's null only the field's name tells."""
    terms = pipeline.commands[-1]
    name = terms[0].fields[-1] if len(terms) == 1 and terms[0].fields else ""
    return "[]" if name in NIL_LISTS else "map[]" if name in NIL_MAPS else "<nil>"


class _Run:
    def __init__(self, data: Any, optional: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self.out: list[str] = []
        self._variables: list[tuple[str, Any]] = [("$", data)]
        self._optional = optional

    def nodes(self, nodes: list[Node], dot: Any) -> None:
        depth = len(self._variables)
        for node in nodes:
            if isinstance(node, Text):
                self.out.append(node.text)
            elif isinstance(node, Action):
                value = self._pipeline(node.pipeline, dot)
                if not node.pipeline.targets:
                    self.out.append(_nil_text(node.pipeline) if value is None else go_text(value))
            elif isinstance(node, Jump):
                raise _Jumped(node.keyword)
            elif node.keyword == "range":
                self._range(node, dot)
            else:
                self._condition(node, dot)
        del self._variables[depth:]

    def _condition(self, node: Branch, dot: Any) -> None:
        depth = len(self._variables)
        value = self._pipeline(node.pipeline, dot, lenient=True)
        if is_true(value):
            self.nodes(node.body, value if node.keyword == "with" else dot)
        else:
            self.nodes(node.otherwise, dot)
        del self._variables[depth:]

    def _range(self, node: Branch, dot: Any) -> None:
        depth = len(self._variables)
        value = self._pipeline(node.pipeline, dot, assign=False)
        items = self._items(value)
        for key, item in items:
            self._bind_range(node.pipeline.targets, key, item)
            try:
                self.nodes(node.body, item)
            except _Jumped as jump:
                if jump.keyword == "break":
                    break
            finally:
                del self._variables[depth:]
        if not items:
            self.nodes(node.otherwise, dot)

    def _items(self, value: Any) -> list[tuple[Any, Any]]:
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, list):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return [(index, index) for index in range(value)]
        if value is None:
            return []
        raise TemplateError(f"range can't iterate over {go_text(value)}")

    def _bind_range(self, targets: list[str], key: Any, item: Any) -> None:
        if len(targets) == 1:
            self._variables.append((targets[0], item))
        elif len(targets) == 2:
            self._variables += [(targets[0], key), (targets[1], item)]

    def _pipeline(self, pipeline: Pipeline, dot: Any, lenient: bool = False, assign: bool = True) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value, lenient)
        if assign and pipeline.targets:
            self._assign(pipeline, value)
        return value

    def _assign(self, pipeline: Pipeline, value: Any) -> None:
        name = pipeline.targets[0]
        if pipeline.declares:
            self._variables.append((name, value))
            return
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return
        raise TemplateError(f'undefined variable "{name}"')

    def _command(self, terms: list[Term], dot: Any, piped: Any, lenient: bool) -> Any:
        head, arguments = terms[0], terms[1:]
        piped_in = [] if piped is _NOTHING else [piped]
        if head.kind == "function":
            lenient = lenient and head.value in ("and", "or", "not")
            values = [self._term(term, dot, lenient) for term in arguments] + piped_in
            return self._call(head, values)
        if not arguments and not piped_in:
            return self._term(head, dot, lenient)
        values = [self._term(term, dot, lenient) for term in arguments] + piped_in
        if head.kind == "literal" or not head.fields:
            raise self._error(head, "can't give argument to non-function " + head.source)
        return self._walk(head, self._base(head, dot), head.fields, values, lenient)

    def _call(self, head: Term, values: list[Any]) -> Any:
        try:
            result = self._functions[head.value](*values)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            text = str(error) if isinstance(error, ValueError) else f"error calling {head.value}: {error}"
            raise self._error(head, text) from error
        return result

    def _term(self, term: Term, dot: Any, lenient: bool = False) -> Any:
        if term.kind == "function":
            return self._call(term, [])
        return self._walk(term, self._base(term, dot), term.fields, [], lenient)

    def _base(self, term: Term, dot: Any) -> Any:
        if term.kind == "literal":
            return term.value
        if term.kind == "variable":
            for name, value in reversed(self._variables):
                if name == term.value:
                    return value
            raise TemplateError(f'template: :{term.position.partition(":")[0]}: undefined variable "{term.value}"')
        if term.kind == "pipeline":
            return self._pipeline(term.value, dot)
        return dot

    def _walk(self, term: Term, value: Any, fields: list[str], arguments: list[Any], lenient: bool) -> Any:
        for index, name in enumerate(fields):
            last = index == len(fields) - 1
            reader = getattr(value, "field", None)
            if reader is not None:
                try:
                    value = reader(name, *(arguments if last else ()))
                except KeyError:
                    raise self._error(term, f"can't evaluate field {name} in type {value.type_name}") from None
                except TypeError as error:
                    raise self._error(term, f"wrong number of args for {name}: {error}") from None
            elif isinstance(value, dict):
                value = self._key(term, value, name, last, lenient)
            elif value is None and lenient:
                return None
            else:
                raise self._error(term, self._no_field(value, name))
        return value

    def _key(self, term: Term, value: dict[str, Any], name: str, last: bool, lenient: bool) -> Any:
        if name in value:
            return value[name]
        if lenient:
            return None
        if last and name in self._optional:
            return self._optional[name]
        raise self._error(term, f'map has no entry for key "{name}"')

    @staticmethod
    def _no_field(value: Any, name: str) -> str:
        if value is None:
            return f"nil pointer evaluating interface {{}}.{name}"
        kinds = {"str": "string", "list": "[]interface {}", "bool": "bool", "int": "int", "float": "float64"}
        return f"can't evaluate field {name} in type {kinds.get(type(value).__name__, 'interface {}')}"

    @staticmethod
    def _error(term: Term, text: str) -> TemplateError:
        return TemplateError(f'template: :{term.position}: executing "" at <{term.source}>: {text}')
