"""Template text to pieces: plain text, and actions as lists of tokens."""

from __future__ import annotations

from pier.cli.template.nodes import TemplateError

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


class Token:
    """``kind``: word, field, variable, number, string, char, or the mark itself (``|``, ``(``, ``:=`` …)."""

    __slots__ = ("kind", "position", "spaced", "text")

    def __init__(self, kind: str, text: str, position: str, spaced: bool) -> None:
        self.kind = kind
        self.text = text
        self.position = position
        self.spaced = spaced


def pieces(source: str) -> list[str | list[Token]]:
    """Raises :class:`TemplateError` for an action that does not end."""
    out: list[str | list[Token]] = []
    position = 0
    trim_next = False
    while True:
        start = source.find("{{", position)
        text = source[position:] if start < 0 else source[position:start]
        if trim_next:
            text = text.lstrip(" \t\r\n")
        if start < 0:
            out.append(text)
            return out
        begin = start + 2
        if source[begin : begin + 1] == "-" and source[begin + 1 : begin + 2] in (" ", "\t", "\r", "\n"):
            text = text.rstrip(" \t\r\n")
            begin += 2
        out.append(text)
        begin = _skip_space(source, begin)
        if source.startswith("/*", begin):
            position, trim_next = _comment(source, begin)
            continue
        tokens, position, trim_next = _action(source, begin)
        out.append(tokens)


def _skip_space(source: str, position: int) -> int:
    while position < len(source) and source[position] in " \t\r\n":
        position += 1
    return position


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1


def _comment(source: str, begin: int) -> tuple[int, bool]:
    end = source.find("*/", begin)
    if end < 0:
        raise TemplateError(f"template: :{_line(source, begin)}: unclosed comment")
    rest = _skip_space(source, end + 2)
    trim = source.startswith("-}}", rest)
    if not trim and not source.startswith("}}", rest):
        raise TemplateError(f"template: :{_line(source, begin)}: comment ends before closing delimiter")
    return rest + (3 if trim else 2), trim


def _action(source: str, position: int) -> tuple[list[Token], int, bool]:
    tokens: list[Token] = []
    while True:
        spaced = position < len(source) and source[position] in " \t\r\n"
        position = _skip_space(source, position)
        if position >= len(source) or source.startswith("{{", position):
            raise TemplateError(f"template: :{_line(source, position)}: unclosed action")
        if source.startswith("}}", position):
            return tokens, position + 2, False
        if spaced and source.startswith("-}}", position):
            return tokens, position + 3, True
        kind, end = _token(source, position)
        column = position - (source.rfind("\n", 0, position) + 1)
        tokens.append(Token(kind, source[position:end], f"{_line(source, position)}:{column}", spaced))
        position = end


def _token(source: str, position: int) -> tuple[str, int]:
    letter = source[position]
    if letter in '"`':
        return "string", _string_end(source, position)
    if letter == "'":
        return "char", _string_end(source, position)
    if source.startswith(":=", position):
        return ":=", position + 2
    if letter in "|(),=":
        return letter, position + 1
    if letter == ".":
        end = _word_end(source, position + 1)
        if end > position + 1 and source[position + 1].isdigit():
            return "number", end
        return ("field" if end > position + 1 else "."), end
    if letter == "$":
        return "variable", _word_end(source, position + 1)
    if letter.isdigit() or (letter in "+-" and source[position + 1 : position + 2].isdigit()):
        return "number", _number_end(source, position + 1)
    if letter.isalpha() or letter == "_":
        return "word", _word_end(source, position)
    raise TemplateError(f"template: :{_line(source, position)}: unexpected {letter!r} in command")


def _word_end(source: str, position: int) -> int:
    while position < len(source) and (source[position].isalnum() or source[position] == "_"):
        position += 1
    return position


def _number_end(source: str, position: int) -> int:
    while position < len(source) and (source[position].isalnum() or source[position] in "._"):
        position += 1
    return position


def _string_end(source: str, position: int) -> int:
    quote = source[position]
    index = position + 1
    while index < len(source) and source[index] != quote:
        if source[index] == "\\" and quote != "`":
            index += 1
        elif source[index] == "\n" and quote != "`":
            break
        index += 1
    if index >= len(source) or source[index] != quote:
        kind = "raw quoted string" if quote == "`" else "quoted string" if quote == '"' else "character constant"
        raise TemplateError(f"template: :{_line(source, position)}: unterminated {kind}")
    return index + 1


def unquote(text: str) -> str:
    """The value of a quoted string, raw string or character."""
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body
    out: list[str] = []
    index = 0
    while index < len(body):
        letter = body[index]
        if letter != "\\":
            out.append(letter)
            index += 1
            continue
        code = body[index + 1]
        length = {"x": 2, "u": 4, "U": 8}.get(code, 0)
        digits = body[index + 2 : index + 2 + length]
        out.append(chr(int(digits, 16)) if length else ESCAPES.get(code, code))
        index += 2 + length
    return "".join(out)
