"""The tree that a template is parsed into. Positions are "line:column" as Go's errors show them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TemplateError(Exception):
    """The template cannot be parsed or executed; the text is Go's."""


class Text:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Term:
    """An operand. ``kind``: dot, field, variable, literal, function, pipeline; ``fields`` follow it (``.A.B``)."""

    __slots__ = ("fields", "kind", "position", "source", "value")

    def __init__(self, kind: str, value: Any, position: str, source: str) -> None:
        self.kind = kind
        self.value = value
        self.fields: list[str] = []
        self.position = position
        self.source = source


class Pipeline:
    """Commands joined by ``|``; ``targets`` are the variables that take its value."""

    __slots__ = ("commands", "declares", "targets")

    def __init__(self, commands: list[list[Term]], targets: list[str], declares: bool) -> None:
        self.commands = commands
        self.targets = targets
        self.declares = declares


class Action:
    __slots__ = ("pipeline",)

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline


class Branch:
    """``if``, ``with`` or ``range``."""

    __slots__ = ("body", "keyword", "otherwise", "pipeline")

    def __init__(self, keyword: str, pipeline: Pipeline, body: list[Node], otherwise: list[Node]) -> None:
        self.keyword = keyword
        self.pipeline = pipeline
        self.body = body
        self.otherwise = otherwise


class Jump:
    """``break`` or ``continue``."""

    __slots__ = ("keyword",)

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword


Node = Text | Action | Branch | Jump
