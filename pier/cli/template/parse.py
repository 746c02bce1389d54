"""Tokens to nodes."""

from __future__ import annotations

from pier.cli.template.lex import Token, pieces, unquote
from pier.cli.template.nodes import Action, Branch, Jump, Node, Pipeline, TemplateError, Term, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

LITERALS: dict[str, Any] = {"true": True, "false": False, "nil": None}
OPENING = ("if", "with", "range")


def parse(source: str, functions: Container[str]) -> list[Node]:
    """Raises :class:`TemplateError`, worded as Go's parser does."""
    parser = _Parser(source, functions)
    nodes, ended_by = parser.nodes()
    if ended_by:
        raise parser.error(f"unexpected {{{{{ended_by}}}}}")
    return nodes


class _Parser:
    def __init__(self, source: str, functions: Container[str]) -> None:
        self._pieces = pieces(source)
        self._next = 0
        self._functions = functions
        self._line = 1
        self._pending: list[Token] | None = None

    def error(self, text: str) -> TemplateError:
        return TemplateError(f"template: :{self._line}: {text}")

    def nodes(self, inside: str = "") -> tuple[list[Node], str]:
        """Nodes up to the end, ``end`` or ``else``; and which of them it was."""
        out: list[Node] = []
        while self._next < len(self._pieces):
            piece = self._pieces[self._next]
            self._next += 1
            if isinstance(piece, str):
                if piece:
                    out.append(Text(piece))
                self._line += piece.count("\n")
                continue
            if not piece:
                raise self.error("missing value for command")
            word = piece[0].text if piece[0].kind == "word" else ""
            if word in ("end", "else"):
                self._pending = piece[1:]
                return out, word
            out.append(self._node(word, piece))
        if inside:
            raise self.error("unexpected EOF")
        return out, ""

    def _node(self, word: str, tokens: list[Token]) -> Node:
        if word in OPENING:
            return self._branch(word, tokens[1:])
        if word in ("break", "continue"):
            return Jump(word)
        if word in ("define", "template", "block"):
            raise self.error(f"{{{{{word}}}}} is not supported")
        return Action(self._pipeline(tokens))

    def _branch(self, keyword: str, tokens: list[Token]) -> Branch:
        if not tokens:
            raise self.error(f"missing value for {keyword}")
        pipeline = self._pipeline(tokens)
        body, ended_by = self.nodes(keyword)
        otherwise: list[Node] = []
        if ended_by == "else":
            rest = self._pending or []
            if rest and rest[0].text in ("if", "with"):
                otherwise = [self._branch(rest[0].text, rest[1:])]
            else:
                otherwise, ended_by = self.nodes(keyword)
                if ended_by == "else":
                    raise self.error("expected end; found {{else}}")
        return Branch(keyword, pipeline, body, otherwise)

    def _pipeline(self, tokens: list[Token]) -> Pipeline:
        targets: list[str] = []
        declares = False
        for index, token in enumerate(tokens[:4]):
            if token.kind in (":=", "="):
                targets = [each.text for each in tokens[:index] if each.kind == "variable"]
                declares = token.kind == ":="
                tokens = tokens[index + 1 :]
                break
            if token.kind not in ("variable", ","):
                break
        commands, rest = self._commands(tokens, 0)
        if rest != len(tokens):
            raise self.error(f"unexpected {tokens[rest].text!r} in input")
        return Pipeline(commands, targets, declares)

    def _commands(self, tokens: list[Token], index: int) -> tuple[list[list[Term]], int]:
        commands: list[list[Term]] = []
        while True:
            terms: list[Term] = []
            while index < len(tokens) and tokens[index].kind not in ("|", ")"):
                term, index = self._term(tokens, index)
                terms.append(term)
            if not terms:
                raise self.error("missing value for command")
            commands.append(terms)
            if index >= len(tokens) or tokens[index].kind == ")":
                return commands, index
            index += 1

    def _term(self, tokens: list[Token], index: int) -> tuple[Term, int]:
        token = tokens[index]
        index += 1
        if token.kind == "(":
            commands, index = self._commands(tokens, index)
            if index >= len(tokens):
                raise self.error("unclosed left paren")
            index += 1
            term = Term("pipeline", Pipeline(commands, [], False), token.position, "(…)")
        else:
            term = self._operand(token)
        while index < len(tokens) and tokens[index].kind == "field" and not tokens[index].spaced:
            if term.kind == "literal":
                raise self.error(f"unexpected . after term {token.text!r}")
            if len(term.fields) <= 1 and "." not in term.source[1:]:
                term.position = tokens[index].position
            term.fields.append(tokens[index].text[1:])
            term.source += tokens[index].text
            index += 1
        return term, index

    def _operand(self, token: Token) -> Term:
        kind, text = token.kind, token.text
        if kind == ".":
            return Term("dot", None, token.position, ".")
        if kind == "field":
            term = Term("field", None, token.position, text)
            term.fields.append(text[1:])
            return term
        if kind == "variable":
            return Term("variable", text, token.position, text)
        if kind in ("string", "char"):
            value = unquote(text)
            return Term("literal", value if kind == "string" else ord(value), token.position, text)
        if kind == "number":
            return Term("literal", self._number(text), token.position, text)
        if kind == "word":
            if text in LITERALS:
                return Term("literal", LITERALS[text], token.position, text)
            if text not in self._functions:
                raise self.error(f'function "{text}" not defined')
            return Term("function", text, token.position, text)
        raise self.error(f"unexpected {text!r} in operand")

    def _number(self, text: str) -> int | float:
        try:
            return int(text, 0)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise self.error(f"bad number syntax: {text!r}") from None
